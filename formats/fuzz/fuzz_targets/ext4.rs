//! What is asserted: `fuzz_targets::image::ext4`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::image::ext4(data);
});
