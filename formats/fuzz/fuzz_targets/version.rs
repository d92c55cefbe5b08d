//! What is asserted: `fuzz_targets::version::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::version::check(data);
});
