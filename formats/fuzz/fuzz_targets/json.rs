//! What is asserted: `fuzz_targets::json::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::json::check(data);
});
