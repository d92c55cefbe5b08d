//! What is asserted: `fuzz_targets::transport::headers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::transport::headers(data);
});
