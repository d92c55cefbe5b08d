//! What is asserted: `fuzz_targets::catalogs::index`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::catalogs::index(data);
});
