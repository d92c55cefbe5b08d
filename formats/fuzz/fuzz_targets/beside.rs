//! What is asserted: `fuzz_targets::beside::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::beside::check(data);
});
