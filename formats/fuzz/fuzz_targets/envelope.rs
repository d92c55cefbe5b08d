//! What is asserted: `fuzz_targets::envelope::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::envelope::check(data);
});
