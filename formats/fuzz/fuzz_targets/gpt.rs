//! What is asserted: `fuzz_targets::image::gpt`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::image::gpt(data);
});
