//! What is asserted: `fuzz_targets::roles::root`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::roles::root(data);
});
