#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| azroute::testing::fuzz::fib(bytes));
