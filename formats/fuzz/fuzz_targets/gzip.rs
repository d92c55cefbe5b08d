//! What is asserted: `fuzz_targets::transport::gzip`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::transport::gzip(data);
});
