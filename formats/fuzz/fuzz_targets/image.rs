//! What is asserted: `fuzz_targets::image::any`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::image::any(data);
});
