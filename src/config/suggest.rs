//! The known name nearest to one that was mistyped.

/// The one of `known` that `name` was most likely meant to be, if any is near.
pub(super) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (likeness(name, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// From 0 to 1; a name and one that only adds a prefix or a suffix to it are always alike.
fn likeness(name: &str, candidate: &str) -> f64 {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let whole = name.len() >= 3
        && candidate.len() >= 3
        && (name.contains(candidate) || candidate.contains(name.as_str()));
    let least = if whole { 0.75 } else { 0.0 };
    strsim::jaro_winkler(&name, candidate).max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_nothing_far_off() {
        let known = ["listen", "public_url", "max_calls", "max_connections"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("max-call", known), Some("max_calls"));
        assert_eq!(nearest("url", known), Some("public_url"));
        assert_eq!(nearest("Listen", known), Some("listen"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}
