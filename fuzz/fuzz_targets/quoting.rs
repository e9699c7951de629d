#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| caseward_fuzz::checks::quoting(data));
