//! The policy against a naive reference: the sentences of spec §6, evaluated directly over rules and
//! facts in plain data. `PROPTEST_CASES=20000 cargo test --test policy` looks longer.

#[cfg(test)]
mod policy {
    mod advice;
    mod laws;
    pub(crate) mod made;
    pub(crate) mod reference;
}
