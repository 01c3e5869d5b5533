//! A reader over TOML's spanned table that goes on after a mistake and keeps them all.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    checked::NamedSecret, env::Env, leaf, mistake::Mistake, secret::SecretSource, suggest::nearest,
};

/// What is gathered while a file is read.
pub(super) struct Reader<'e> {
    pub(super) env: &'e dyn Env,
    pub(super) faults: Vec<Fault>,
    pub(super) secrets: Vec<NamedSecret>,
    /// What must not be shown when an error shows its line.
    pub(super) hidden: Vec<Range<usize>>,
    /// Where each key is that was asked for and found.
    pub(super) places: BTreeMap<String, Range<usize>>,
    unsupported: &'e [&'e str],
}

/// A mistake and where it is; `None` for what is not in the file.
pub(super) struct Fault {
    pub(super) key: String,
    pub(super) span: Option<Range<usize>>,
    pub(super) mistake: Mistake,
}

impl<'e> Reader<'e> {
    pub(super) fn new(unsupported: &'e [&'e str], env: &'e dyn Env) -> Self {
        Self {
            env,
            faults: Vec::new(),
            secrets: Vec::new(),
            hidden: Vec::new(),
            places: BTreeMap::new(),
            unsupported,
        }
    }

    /// Reads the whole document.
    pub(super) fn root<T>(
        &mut self,
        table: &DeTable<'_>,
        read: impl FnOnce(&mut Section<'_, '_, '_>) -> T,
    ) -> T {
        let root = Section {
            reader: self,
            path: String::new(),
            header: None,
            table: Some(table),
            broken: false,
            known: Vec::new(),
        };
        root.read(read)
    }

    /// Adds a mistake about a key that was asked for before.
    pub(super) fn conflict(&mut self, key: &str, mistake: Mistake) {
        let section = key.rsplit_once('.').map(|(section, _)| section);
        let span = self.places.get(key).or_else(|| self.places.get(section?)).cloned();
        self.fault(key.to_owned(), span, mistake);
    }

    fn fault(&mut self, key: String, span: Option<Range<usize>>, mistake: Mistake) {
        self.faults.push(Fault { key, span, mistake });
    }

    /// Keeps the value of an unknown key from being shown, unless it was `meant` to be the value
    /// of one that is no secret.
    fn hide_unknown(&mut self, value: &Spanned<DeValue<'_>>, meant: Option<&str>) {
        const SECRETS: [&str; 7] =
            ["token", "secret", "previous_secret", "value", "url", "env", "credential"];
        let harmless = meant.is_some_and(|key| !SECRETS.contains(&key));
        if !(harmless && value.get_ref().is_str()) {
            self.hide(value);
        }
    }

    /// Keeps every string of a value from being shown.
    fn hide(&mut self, value: &Spanned<DeValue<'_>>) {
        match value.get_ref() {
            DeValue::String(_) => self.hidden.push(value.span()),
            DeValue::Array(items) => items.iter().for_each(|item| self.hide(item)),
            DeValue::Table(table) => table.values().for_each(|item| self.hide(item)),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

/// One table of the file. A key asked for is a known key; [`Section::read`] reports the others.
pub(super) struct Section<'s, 'i, 'e> {
    reader: &'s mut Reader<'e>,
    path: String,
    header: Option<Range<usize>>,
    table: Option<&'s DeTable<'i>>,
    /// It is there, but no table: what lacks in it is not worth a word.
    broken: bool,
    known: Vec<&'static str>,
}

impl<'s, 'i, 'e> Section<'s, 'i, 'e> {
    /// The value of `key`, or `None` if it is absent or was wrong.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, Mistake>,
    ) -> Option<T> {
        let value = self.take(key)?;
        parse(value.get_ref()).map_err(|mistake| self.fault(key, value.span(), mistake)).ok()
    }

    /// The value of `key`, or `default`.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, Mistake>,
    ) -> T {
        self.optional(key, parse).unwrap_or(default)
    }

    /// The value of `key`, which must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        example: &str,
        parse: impl FnOnce(&DeValue<'_>) -> Result<T, Mistake>,
    ) -> Option<T> {
        if !self.has(key) {
            self.missing(key, expected, example);
        }
        self.optional(key, parse)
    }

    /// The items of the array `key`, each parsed alone so that each can be wrong alone.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&DeValue<'_>) -> Result<T, Mistake>,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.fault(key, value.span(), wrong_type(value.get_ref(), expected));
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            match parse(item.get_ref()) {
                Ok(parsed) => list.push(parsed),
                Err(mistake) => self.fault(key, item.span(), mistake),
            }
        }
        Some(list)
    }

    /// The secret of one line that `key` refers to.
    pub(super) fn secret(&mut self, key: &'static str) -> Option<SecretSource> {
        let (span, source) = self.secret_source(key)?;
        let key = self.path_of(key);
        self.reader.secrets.push(NamedSecret { key, span, source: source.clone() });
        Some(source)
    }

    /// The secret that `key` refers to, wherever it is, whatever it looks like.
    fn secret_source(&mut self, key: &'static str) -> Option<(Range<usize>, SecretSource)> {
        let value = self.take(key)?;
        if !matches!(value.get_ref(), DeValue::Table(_)) {
            self.reader.hide(value);
            self.fault(key, value.span(), Mistake::InlineSecret);
            return None;
        }
        let Some(source) = self.open(key, value).read(secret_source) else {
            // Some write the value where a name belongs.
            self.reader.hide(value);
            return None;
        };
        Some((value.span(), source))
    }

    /// The secret that `key` refers to, which must be there.
    pub(super) fn required_secret(&mut self, key: &'static str) -> Option<SecretSource> {
        if !self.has(key) {
            let section = self.path.rsplit('.').next().unwrap_or_default();
            let example = format!("{key} = {{ file = \"/etc/callwarden/{section}-{key}\" }}");
            self.missing(key, "the reference of a secret", &example);
        }
        self.secret(key)
    }

    /// The private key that `key` refers to, which must be there; it is read with its certificate.
    pub(super) fn required_key(&mut self, key: &'static str) -> Option<SecretSource> {
        if !self.has(key) {
            let example = format!("{key} = {{ file = \"/etc/callwarden/tls-key\" }}");
            self.missing(key, "the reference of a secret", &example);
        }
        self.secret_source(key).map(|(_, source)| source)
    }

    /// The section `key`, read as an empty one if it is absent.
    pub(super) fn section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 'i, 'e>) -> T,
    ) -> T {
        match self.take(key) {
            Some(value) => self.open(key, value).read(read),
            None => Section {
                path: self.path_of(key),
                reader: self.reader,
                header: None,
                table: None,
                broken: false,
                known: Vec::new(),
            }
            .read(read),
        }
    }

    /// The section `key`, if it is there.
    pub(super) fn optional_section<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 'i, 'e>) -> T,
    ) -> Option<T> {
        let value = self.take(key)?;
        Some(self.open(key, value).read(read))
    }

    /// The value of `key` as it is, for what no other function reads, and its whole path.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<(String, &'s Spanned<DeValue<'i>>)> {
        let value = self.take(key)?;
        Some((self.path_of(key), value))
    }

    /// Each table of the array `key`, which `[[key]]` writes, and where it is.
    pub(super) fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'i, 'e>) -> T,
    ) -> Vec<T> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            let mend = format!("write [[{key}]] with two brackets, once for each");
            let mistake = wrong_type(value.get_ref(), "an array of tables").mended(mend);
            self.fault(key, value.span(), mistake);
            return Vec::new();
        };
        items.iter().map(|item| self.open(key, item).read(&mut read)).collect()
    }

    /// Adds a mistake about what is at `span`.
    pub(super) fn report(&mut self, path: String, span: Range<usize>, mistake: Mistake) {
        self.reader.fault(path, Some(span), mistake);
    }

    /// The keys of a table whose keys the caller knows, each with what it is parsed to; those
    /// that `know` does not know are reported with the nearest of `names`.
    pub(super) fn map<K, T>(
        &mut self,
        key: &'static str,
        names: &[&str],
        know: impl Fn(&str) -> Option<K>,
        parse: impl Fn(&DeValue<'_>) -> Result<T, Mistake>,
    ) -> Vec<(K, T)> {
        let Some(value) = self.take(key) else {
            return Vec::new();
        };
        let DeValue::Table(table) = value.get_ref() else {
            self.fault(key, value.span(), wrong_type(value.get_ref(), "a table"));
            return Vec::new();
        };
        let mut entries = Vec::with_capacity(table.len());
        for (name, value) in table {
            let path = format!("{}.{}", self.path_of(key), name.get_ref());
            match know(name.get_ref()).map(|known| (known, parse(value.get_ref()))) {
                Some((known, Ok(parsed))) => entries.push((known, parsed)),
                Some((_, Err(mistake))) => self.reader.fault(path, Some(value.span()), mistake),
                None => {
                    let nearest = nearest(name.get_ref(), names.iter().copied());
                    self.reader.hide_unknown(value, nearest);
                    let mistake = unknown(nearest, names);
                    self.reader.fault(path, Some(name.span()), mistake);
                }
            }
        }
        entries
    }

    /// Whether `key` is there, and this version knows it.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key)) && !self.unsupported(key)
    }

    /// Whether `key` is there as a string, not as a secret's reference.
    pub(super) fn is_text(&self, key: &str) -> bool {
        let value = self.table.and_then(|table| table.get(key));
        value.is_some_and(|value| value.get_ref().is_str())
    }

    /// Keeps the url `key` from being shown if it may hold a password.
    pub(super) fn hide_before_at(&mut self, key: &str) {
        let value = self.table.and_then(|table| table.get(key));
        let holds_at = |value: &&Spanned<DeValue<'_>>| {
            value.get_ref().as_str().is_some_and(|url| url.contains('@'))
        };
        if let Some(value) = value.filter(holds_at) {
            self.reader.hide(value);
        }
    }

    /// Whether the key of this whole path was asked for and found.
    pub(super) fn found(&self, path: &str) -> bool {
        self.reader.places.contains_key(path)
    }

    /// The environment that the file is read in.
    pub(super) fn env(&self) -> &'e dyn Env {
        self.reader.env
    }

    /// Whether it is there, with nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_some_and(DeTable::is_empty)
    }

    /// Adds a mistake about a key of the file that was asked for before, by its whole path.
    pub(super) fn conflict(&mut self, key: &str, mistake: Mistake) {
        self.reader.conflict(key, mistake);
    }

    /// Says that `key` must be there.
    pub(super) fn missing(&mut self, key: &str, expected: &str, example: &str) {
        if self.broken {
            return;
        }
        let mistake = Mistake::Missing {
            expected: expected.to_owned(),
            mend: match self.header {
                Some(_) => format!("add {example}"),
                None => format!("add a section [{}] with {example}", self.path),
            },
        };
        let path = self.path_of(key);
        self.reader.fault(path, self.header.clone(), mistake);
    }

    /// Adds a mistake about this table as a whole.
    pub(super) fn whole(&mut self, mistake: Mistake) {
        self.reader.fault(self.path.clone(), self.header.clone(), mistake);
    }

    fn read<T>(mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let result = read(&mut self);
        let unread = self.table.into_iter().flat_map(|table| table.iter());
        for (key, value) in unread {
            let name: &str = key.get_ref();
            if self.known.contains(&name) {
                continue;
            }
            let path = self.path_of(name);
            let mistake = if self.unsupported(name) {
                self.reader.hide_unknown(value, Some(name));
                Mistake::Unsupported { what: format!("`{path}`"), mend: "leave it out".to_owned() }
            } else {
                let nearest = nearest(name, self.known.iter().copied());
                self.reader.hide_unknown(value, nearest);
                unknown(nearest, &self.known)
            };
            self.reader.fault(path, Some(key.span()), mistake);
        }
        result
    }

    /// The value of `key`, which is a known key from now on.
    fn take(&mut self, key: &'static str) -> Option<&'s Spanned<DeValue<'i>>> {
        if self.unsupported(key) {
            return None;
        }
        self.known.push(key);
        let value = self.table?.get(key)?;
        let path = self.path_of(key);
        self.reader.places.insert(path, value.span());
        Some(value)
    }

    /// The table that is the value of `key`.
    fn open<'t>(&'t mut self, key: &str, value: &'t Spanned<DeValue<'i>>) -> Section<'t, 'i, 'e> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.reader.hide(value);
            let mend = format!("write [{}], and its keys below", self.path_of(key));
            let mistake = wrong_type(value.get_ref(), "a table").mended(mend);
            self.fault(key, value.span(), mistake);
        }
        Section {
            path: self.path_of(key),
            reader: self.reader,
            header: Some(value.span()),
            broken: table.is_none(),
            table,
            known: Vec::new(),
        }
    }

    fn unsupported(&self, key: &str) -> bool {
        self.reader.unsupported.contains(&self.path_of(key).as_str())
    }

    fn fault(&mut self, key: &str, span: Range<usize>, mistake: Mistake) {
        self.reader.fault(self.path_of(key), Some(span), mistake);
    }

    fn path_of(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

/// Reads a table that says where a secret is.
fn secret_source(section: &mut Section<'_, '_, '_>) -> Option<SecretSource> {
    let found: Vec<_> = [
        section.optional("file", leaf::path).map(SecretSource::File),
        section.optional("credential", leaf::credential).map(SecretSource::Credential),
        section.optional("env", leaf::variable).map(SecretSource::Env),
    ]
    .into_iter()
    .flatten()
    .collect();
    let named = ["file", "credential", "env"].into_iter().filter(|key| section.has(key)).count();
    match named {
        1 => {}
        0 if section.is_empty() => section.whole(Mistake::BadValue {
            found: "an empty table".to_owned(),
            expected: "one of `file`, `credential` or `env`".to_owned(),
            mend: None,
        }),
        0 => {}
        _ => section.whole(Mistake::Conflict {
            found: format!("`{}` names two places", section.path),
            expected: "one of `file`, `credential` or `env`".to_owned(),
            mend: "leave one".to_owned(),
        }),
    }
    found.into_iter().next()
}

pub(super) fn unknown(nearest: Option<&str>, known: &[&str]) -> Mistake {
    Mistake::UnknownKey {
        nearest: nearest.map(str::to_owned),
        known: known.iter().copied().map(str::to_owned).collect(),
    }
}

/// Says that `value` has another type than what is `expected`.
pub(super) fn wrong_type(value: &DeValue<'_>, expected: impl Into<String>) -> Mistake {
    Mistake::WrongType {
        found: match value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        },
        expected: expected.into(),
        mend: None,
    }
}
