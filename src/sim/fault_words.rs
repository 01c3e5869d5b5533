//! A fault's text taken apart, and its words understood one by one.

use std::str::FromStr;

use super::{
    answer::Shape,
    call::Status,
    fault::{Encoding, FaultKind},
    fault_table::FaultError,
    limiter::{Hint, RateLimit, Reset},
    span::Span,
};

/// A fault's text taken apart; what is taken out of it is understood.
pub(super) struct Words {
    pub(super) name: String,
    value: Option<String>,
    keys: Vec<(String, String)>,
}

impl Words {
    pub(super) fn new(text: &str) -> Self {
        let pair = |word: &str| match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (word.to_owned(), None),
        };
        let mut words = text.split(',');
        let (name, value) = pair(words.next().unwrap_or_default());
        let keys = words.map(pair).map(|(key, value)| (key, value.unwrap_or_default())).collect();
        Self { name, value, keys }
    }

    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        let index = self.keys.iter().position(|(found, _)| found == key)?;
        Some(self.keys.remove(index).1)
    }

    pub(super) fn value(&mut self, expected: &str) -> Result<String, FaultError> {
        self.value.take().ok_or_else(|| self.unfit("nothing", expected))
    }

    /// The chance, which faults without a value of their own take in its place: `hang=0.05`.
    pub(super) fn chance(&mut self) -> Result<f64, FaultError> {
        let expected = "a chance from 0 to 1";
        let Some(word) = self.value.take().or_else(|| self.take("chance")) else {
            return Ok(1.0);
        };
        let chance = self.number(expected, &word)?;
        if (0.0..=1.0).contains(&chance) { Ok(chance) } else { Err(self.unfit(&word, expected)) }
    }

    pub(super) fn finish(self) -> Result<(), FaultError> {
        match self.keys.into_iter().next() {
            Some((key, _)) => Err(FaultError::UnknownKey { name: self.name, key }),
            None => Ok(()),
        }
    }

    pub(super) fn span(&mut self) -> Result<Span, FaultError> {
        let value = self.value("a span such as 200ms or 100ms..2s")?;
        self.read_span(&value)
    }

    pub(super) fn span_or(&mut self, default: &str) -> Result<Span, FaultError> {
        let value = self.value.take();
        self.read_span(value.as_deref().unwrap_or(default))
    }

    fn read_span(&self, text: &str) -> Result<Span, FaultError> {
        text.parse().map_err(|source| FaultError::Span { name: self.name.clone(), source })
    }

    pub(super) fn status(&mut self) -> Result<u16, FaultError> {
        let expected = "a status from 400 to 599";
        let value = self.value(expected)?;
        let status = self.number(expected, &value)?;
        if (400..600).contains(&status) { Ok(status) } else { Err(self.unfit(&value, expected)) }
    }

    pub(super) fn rate_limit(&mut self) -> Result<FaultKind, FaultError> {
        let expected = "requests and a window, such as 100/60s";
        let value = self.value(expected)?;
        let (limit, window) = value.split_once('/').ok_or_else(|| self.unfit(&value, expected))?;
        Ok(FaultKind::RateLimit(RateLimit {
            limit: self.number(expected, limit)?,
            window: self.read_span(window)?.draw(&mut fastrand::Rng::with_seed(0)),
            reset: self.choice("reset", Reset::Laravel, &Reset::ALL, Reset::as_str)?,
            hint: self.choice("hint", Hint::Both, &Hint::ALL, Hint::as_str)?,
        }))
    }

    pub(super) fn error_shape(&mut self) -> Result<FaultKind, FaultError> {
        let Some(value) = self.value.take() else {
            return Ok(FaultKind::ErrorShape(None));
        };
        self.pick(&value, &Shape::ALL, Shape::as_str).map(Some).map(FaultKind::ErrorShape)
    }

    pub(super) fn date_offset(&mut self) -> Result<FaultKind, FaultError> {
        let value = self.value("a span, perhaps with a minus before it")?;
        let (sign, length) = match value.strip_prefix('-') {
            Some(length) => (-1, length),
            None => (1, value.as_str()),
        };
        let length = self.read_span(length)?.draw(&mut fastrand::Rng::with_seed(0));
        let ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        Ok(FaultKind::DateOffset(sign * ms))
    }

    pub(super) fn status_as(&mut self) -> Result<FaultKind, FaultError> {
        let expected = "STATUS:WORD, such as answered:bridged";
        let value = self.value(expected)?;
        let (status, word) = value.split_once(':').ok_or_else(|| self.unfit(&value, expected))?;
        let status = self.pick(status, &Status::ALL, Status::as_str)?;
        Ok(FaultKind::StatusAs(status, word.to_owned()))
    }

    pub(super) fn header_name(&mut self) -> Result<FaultKind, FaultError> {
        let value = self.value("a header's name")?;
        match value.parse::<axum::http::HeaderName>() {
            Ok(_) => Ok(FaultKind::SignatureHeader(value)),
            Err(_) => Err(self.unfit(&value, "a header's name")),
        }
    }

    pub(super) fn header_value(&mut self) -> Result<String, FaultError> {
        let value = self.value("a text")?;
        match value.parse::<axum::http::HeaderValue>() {
            Ok(_) => Ok(value),
            Err(_) => Err(self.unfit(&value, "a text that a header can hold")),
        }
    }

    pub(super) fn encoding(&mut self) -> Result<FaultKind, FaultError> {
        let all = [Encoding::Hex, Encoding::UpperHex, Encoding::Base64];
        let value = self.value("hex, upper-hex or base64")?;
        self.pick(&value, &all, Encoding::as_str).map(FaultKind::SignatureEncoding)
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        default: T,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, FaultError> {
        match self.take(key) {
            Some(word) => self.pick(&word, all, name),
            None => Ok(default),
        }
    }

    fn pick<T: Copy>(
        &self,
        word: &str,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> Result<T, FaultError> {
        all.iter().copied().find(|one| name(*one) == word).ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
            self.unfit(word, &names.join(", "))
        })
    }

    pub(super) fn number<T: FromStr>(&self, expected: &str, word: &str) -> Result<T, FaultError> {
        word.parse().map_err(|_| self.unfit(word, expected))
    }

    fn unfit(&self, found: &str, expected: &str) -> FaultError {
        FaultError::Value {
            name: self.name.clone(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }
}

impl Encoding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::UpperHex => "upper-hex",
            Self::Base64 => "base64",
        }
    }
}
