//! What is asserted: `fuzz_targets::publisher_config::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::publisher_config::check(data);
});
