//! What is asserted: `fuzz_targets::patch::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::patch::check(data);
});
