//! Definitions that must not compile, with what the compiler says.
//!
//! After a change of the compiler's words, `TRYBUILD=overwrite cargo test -p sagas compile` writes
//! them anew.

#[test]
fn wrong_definitions_do_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
