//! Text patterns of rules (spec §6): `*` matches any run of characters, everything else itself.

use std::fmt;

use wildmatch::WildMatchPattern;

/// `?` is a character like any other: no pattern holds the one that stands in its place here.
type Glob = WildMatchPattern<'*', '\0'>;

/// A pattern, compiled once.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: Box<str>,
    /// `None` where the text holds no `*`: then it matches itself alone.
    glob: Option<Glob>,
}

impl Pattern {
    /// The pattern of a text; `None` where it holds a NUL, which no field does.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let glob = text.contains('*').then(|| Glob::new(text));
        (!text.contains('\0')).then(|| Self { text: text.into(), glob })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole of `text` fits.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.matches(text),
            None => *self.text == *text,
        }
    }

    /// Whether whatever fits `other` fits this one too.
    ///
    /// A `*` in `other` is read as a character that only a `*` of ours can take: if one takes it, it
    /// takes any run in its place, and if none does, some run in its place won't fit.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.matches(&other.text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    /// The sentence of the spec, tried at every place.
    fn fits(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|taken| fits(rest, &text[taken..])),
            Some((c, rest)) => text.first() == Some(c) && fits(rest, &text[1..]),
        }
    }

    #[test]
    fn a_star_matches_any_run_and_a_question_mark_itself() {
        assert!(pattern("+55*").matches("+5511987654321"));
        assert!(pattern("+55*").matches("+55"));
        assert!(!pattern("+55*").matches("55"));
        assert!(pattern("*").matches(""));
        assert!(pattern("a?").matches("a?"));
        assert!(!pattern("a?").matches("ab"));
        assert!(!pattern("Trial").matches("trial"));
        assert_eq!(Pattern::new("a\0"), None);
        assert_eq!(pattern("a*"), pattern("a*"));
        assert_ne!(pattern("a*"), pattern("b*"));
    }

    proptest! {
        #[test]
        fn it_matches_what_the_spec_says(pattern in "[ab*é]{0,6}", text in "[abé*]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = fits(&chars(&pattern), &chars(&text));
            prop_assert_eq!(Pattern::new(&pattern).unwrap().matches(&text), expected);
        }

        #[test]
        fn what_fits_the_covered_fits_the_covering(a in "[ab*]{0,5}", b in "[ab*]{0,5}", text in "[abc]{0,6}") {
            let (a, b) = (Pattern::new(&a).unwrap(), Pattern::new(&b).unwrap());
            prop_assert!(!(a.covers(&b) && b.matches(&text) && !a.matches(&text)));
        }
    }
}
