//! The auditor finds each kind of error, and no error where there is none.
