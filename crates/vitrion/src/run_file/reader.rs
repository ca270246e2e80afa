//! TOML tables that know their file and lines, so that every complaint names the place.

use crate::error::{InputError, Place, nearest};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vitrion_core::units::{self, Kind};

/// A value and the line it was written on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// From 1.
    pub line: usize,
}

/// The text of a file and its path.
#[derive(Clone, Copy)]
pub(crate) struct Document<'a> {
    pub(crate) path: &'a Path,
    pub(crate) text: &'a str,
}

impl<'a> Document<'a> {
    /// The root table of the parsed text.
    pub(crate) fn parse(self) -> Result<Spanned<DeTable<'a>>, InputError> {
        DeTable::parse(self.text).map_err(|error| InputError::Syntax {
            place: self.place(error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })
    }

    fn line(self, offset: usize) -> usize {
        let end = offset.min(self.text.len());
        self.text.as_bytes()[..end].split(|byte| *byte == b'\n').count()
    }

    fn place(self, offset: usize) -> Place {
        Place { path: self.path.to_owned(), line: self.line(offset) }
    }
}

/// One table and how it is called in messages.
pub(crate) struct Table<'a> {
    document: Document<'a>,
    entries: &'a DeTable<'a>,
    offset: usize,
    /// For example "in [[stage]] 1 (\"melt\")".
    pub(crate) title: String,
}

impl<'a> Table<'a> {
    pub(crate) fn root(document: Document<'a>, root: &'a Spanned<DeTable<'a>>) -> Self {
        Table {
            document,
            entries: root.get_ref(),
            offset: root.span().start,
            title: "at the top level".to_owned(),
        }
    }

    /// Line of the table.
    pub(crate) fn line(&self) -> usize {
        self.document.line(self.offset)
    }

    /// Line of the value of a key; that of the table without one.
    pub(crate) fn line_of(&self, key: &str) -> usize {
        let offset = self.entries.get(key).map_or(self.offset, |value| value.span().start);
        self.document.line(offset)
    }

    /// True if the key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Refuses keys that are not in `known`, the first in the file first.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), InputError> {
        let unknown = self
            .entries
            .iter()
            .filter(|(key, _)| !known.contains(&key.get_ref().as_ref()))
            .min_by_key(|(key, _)| key.span().start);
        match unknown {
            None => Ok(()),
            Some((key, _)) => Err(InputError::UnknownKey {
                place: self.document.place(key.span().start),
                key: key.get_ref().to_string(),
                table: self.title.clone(),
                advice: match nearest(key.get_ref(), known) {
                    Some(near) => format!(", did you mean `{near}`?"),
                    None => format!("; known keys: {}", known.join(", ")),
                },
            }),
        }
    }

    /// A complaint about the value of a key of this table, on its line.
    pub(crate) fn refuse(&self, key: &str, message: impl Into<String>) -> InputError {
        self.refuse_at(self.line_of(key), key, message)
    }

    pub(crate) fn refuse_at(
        &self,
        line: usize,
        key: &str,
        message: impl Into<String>,
    ) -> InputError {
        InputError::Value {
            place: Place { path: self.document.path.to_owned(), line },
            key: key.to_owned(),
            table: self.title.clone(),
            message: message.into(),
        }
    }

    /// The value, or the complaint that it is missing.
    pub(crate) fn require<T>(
        &self,
        key: &str,
        example: &str,
        value: Option<T>,
    ) -> Result<T, InputError> {
        value.ok_or_else(|| InputError::MissingKey {
            place: self.document.place(self.offset),
            key: key.to_owned(),
            table: self.title.clone(),
            example: example.to_owned(),
        })
    }

    /// Reads a key with `read`, which returns what it expected when it cannot.
    fn get<T>(
        &self,
        key: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Result<T, String>,
    ) -> Result<Option<Located<T>>, InputError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let line = self.document.line(value.span().start);
        read(value.get_ref())
            .map(|value| Some(Located { value, line }))
            .map_err(|message| self.refuse_at(line, key, message))
    }

    pub(crate) fn string(&self, key: &str) -> Result<Option<Located<String>>, InputError> {
        self.get(key, |value| text(value, "a text in quotes").map(str::to_owned))
    }

    /// A text that is one of a few words.
    pub(crate) fn word<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<Located<T>>, InputError> {
        self.get(key, |value| {
            let found = text(value, "a text in quotes")?;
            words.iter().find(|(word, _)| *word == found).map(|(_, meaning)| *meaning).ok_or_else(
                || {
                    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                    let hint = nearest(found, &known)
                        .map_or(String::new(), |word| format!("; did you mean \"{word}\"?"));
                    format!("expected one of {}, found \"{found}\"{hint}", known.join(", "))
                },
            )
        })
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<Option<Located<bool>>, InputError> {
        self.get(key, |value| match value {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(format!("expected true or false, found {}", described(other))),
        })
    }

    pub(crate) fn integer(&self, key: &str) -> Result<Option<Located<i64>>, InputError> {
        self.get(key, integer)
    }

    /// A whole number that is zero or more.
    pub(crate) fn count(&self, key: &str) -> Result<Option<Located<u64>>, InputError> {
        self.get(key, |value| {
            let found = integer(value)?;
            u64::try_from(found)
                .map_err(|_| format!("expected a number that is not negative, found {found}"))
        })
    }

    /// A number without a unit.
    pub(crate) fn number(&self, key: &str) -> Result<Option<Located<f64>>, InputError> {
        self.get(key, number)
    }

    /// Numbers without units.
    pub(crate) fn numbers(&self, key: &str) -> Result<Option<Vec<Located<f64>>>, InputError> {
        self.list(key, number)
    }

    /// The file that the table is in.
    pub(crate) fn path(&self) -> &'a Path {
        self.document.path
    }

    /// A quantity such as "2 fs", in the internal unit.
    pub(crate) fn quantity(
        &self,
        key: &str,
        kind: Kind,
    ) -> Result<Option<Located<f64>>, InputError> {
        self.get(key, |value| quantity(value, kind))
    }

    pub(crate) fn quantities(
        &self,
        key: &str,
        kind: Kind,
    ) -> Result<Option<Vec<Located<f64>>>, InputError> {
        self.list(key, |value| quantity(value, kind))
    }

    pub(crate) fn strings(&self, key: &str) -> Result<Option<Vec<Located<String>>>, InputError> {
        self.list(key, |value| text(value, "a text in quotes").map(str::to_owned))
    }

    pub(crate) fn integers(&self, key: &str) -> Result<Option<Vec<Located<i64>>>, InputError> {
        self.list(key, integer)
    }

    fn list<T>(
        &self,
        key: &str,
        read: impl Fn(&'a DeValue<'a>) -> Result<T, String>,
    ) -> Result<Option<Vec<Located<T>>>, InputError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        let line = self.document.line(value.span().start);
        let DeValue::Array(items) = value.get_ref() else {
            let found = described(value.get_ref());
            return Err(self.refuse_at(line, key, format!("expected a list, found {found}")));
        };
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            let line = self.document.line(item.span().start);
            let value = read(item.get_ref()).map_err(|m| self.refuse_at(line, key, m))?;
            values.push(Located { value, line });
        }
        Ok(Some(values))
    }

    /// A value of any kind, as JSON.
    pub(crate) fn json(&self, key: &str) -> Result<Option<serde_json::Value>, InputError> {
        Ok(self.get(key, json)?.map(|found| found.value))
    }

    /// A sub-table, called `title` in messages.
    pub(crate) fn table(&self, key: &str, title: &str) -> Result<Option<Table<'a>>, InputError> {
        let Some(value) = self.entries.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(entries) => Ok(Some(Table {
                document: self.document,
                entries,
                offset: value.span().start,
                title: title.to_owned(),
            })),
            other => Err(self.refuse(key, format!("expected a table, found {}", described(other)))),
        }
    }

    /// `[key]` once or `[[key]]` any number of times.
    pub(crate) fn tables(&self, key: &str) -> Result<Vec<Table<'a>>, InputError> {
        let Some(value) = self.entries.get(key) else { return Ok(Vec::new()) };
        let DeValue::Array(items) = value.get_ref() else {
            return Ok(self.table(key, &format!("in [{key}]"))?.into_iter().collect());
        };
        let mut tables = Vec::with_capacity(items.len());
        for (number, item) in items.iter().enumerate() {
            let DeValue::Table(entries) = item.get_ref() else {
                let found = described(item.get_ref());
                return Err(self.refuse(key, format!("expected tables [[{key}]], found {found}")));
            };
            let name = match entries.get("name").map(Spanned::get_ref) {
                Some(DeValue::String(name)) => format!(" (\"{name}\")"),
                _ => String::new(),
            };
            tables.push(Table {
                document: self.document,
                entries,
                offset: item.span().start,
                title: format!("in [[{key}]] {}{name}", number + 1),
            });
        }
        Ok(tables)
    }

    /// Keys in file order, for tables whose keys are free (element symbols).
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.entries.keys().collect();
        keys.sort_by_key(|key| key.span().start);
        keys.into_iter().map(|key| key.get_ref().to_string()).collect()
    }
}

fn text<'a>(value: &'a DeValue<'a>, expected: &str) -> Result<&'a str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(format!("expected {expected}, found {}", described(other))),
    }
}

fn integer(value: &DeValue<'_>) -> Result<i64, String> {
    match value {
        DeValue::Integer(found) => i64::from_str_radix(found.as_str(), found.radix())
            .map_err(|_| format!("the whole number {found} is too large")),
        other => Err(format!("expected a whole number, found {}", described(other))),
    }
}

fn number(value: &DeValue<'_>) -> Result<f64, String> {
    let unreadable = || "expected a number".to_owned();
    let found: f64 = match value {
        DeValue::Float(found) => {
            found.as_str().replace('_', "").parse().map_err(|_| unreadable())?
        }
        DeValue::Integer(_) => integer(value)? as f64,
        other => return Err(format!("expected a number, found {}", described(other))),
    };
    if found.is_finite() {
        Ok(found)
    } else {
        Err(format!("expected a finite number, found {found}"))
    }
}

fn json(value: &DeValue<'_>) -> Result<serde_json::Value, String> {
    Ok(match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(_) => integer(value)?.into(),
        DeValue::Float(_) => number(value)?.into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Array(items) => {
            items.iter().map(|item| json(item.get_ref())).collect::<Result<Vec<_>, _>>()?.into()
        }
        DeValue::Table(entries) => {
            let pairs = entries
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?)));
            serde_json::Value::Object(pairs.collect::<Result<_, String>>()?)
        }
        DeValue::Datetime(time) => {
            return Err(format!("expected a text, number, list or table, found the date {time}"));
        }
    })
}

fn quantity(value: &DeValue<'_>, kind: Kind) -> Result<f64, String> {
    let expected =
        format!("a {kind} with its unit in quotes, such as \"1 {}\"", kind.internal_unit());
    units::parse(text(value, &expected)?, kind).map_err(|error| error.to_string())
}

fn described(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the text \"{text}\""),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => format!("the date {time}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
