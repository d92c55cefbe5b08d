//! What is asserted: `fuzz_targets::transport::zstd`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::transport::zstd(data);
});
