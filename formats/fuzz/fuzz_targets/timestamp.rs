//! What is asserted: `fuzz_targets::roles::timestamp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fuzz_targets::roles::timestamp(data);
});
