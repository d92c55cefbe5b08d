//! What is asserted: `fuzz_targets::proposal::check`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::proposal::check(data);
});
