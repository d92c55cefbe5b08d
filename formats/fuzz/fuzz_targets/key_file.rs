//! What is asserted: `fuzz_targets::keys::file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::keys::file(data);
});
