//! What is asserted: `fuzz_targets::roles::targets`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::roles::targets(data);
});
