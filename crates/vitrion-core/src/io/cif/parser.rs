//! The STAR subset that CIF uses: data blocks, values, loops, quoted and multi-line texts.

use crate::io::IoError;
use crate::io::lines::Lines;

/// A value and its line.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) line: usize,
}

/// One `data_` block: keys in lower case with their values (one, or one per loop row). The dots
/// of newer dictionaries are underscores here: `_atom_site.fract_x` is `_atom_site_fract_x`.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) name: String,
    items: Vec<(String, Vec<Value>)>,
}

impl Block {
    /// All values of a key.
    pub(super) fn column(&self, key: &str) -> Option<&[Value]> {
        self.items.iter().find(|(k, _)| k == key).map(|(_, values)| values.as_slice())
    }

    /// The first value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.column(key)?.first()
    }

    /// The first key that begins like this.
    pub(super) fn key_starting(&self, start: &str) -> Option<&str> {
        self.items.iter().map(|(key, _)| key.as_str()).find(|key| key.starts_with(start))
    }
}

enum Token {
    Word(String),
    /// Quoted or multi-line: never a keyword.
    Text(String),
}

/// Reads all blocks.
pub(super) fn parse(lines: &mut Lines) -> Result<Vec<Block>, IoError> {
    let tokens = tokens(lines)?;
    let mut blocks: Vec<Block> = Vec::new();
    let mut k = 0;
    let word = |k: usize| match tokens.get(k) {
        Some((Token::Word(word), _)) => Some(word.as_str()),
        _ => None,
    };
    let trouble = |line: usize, expected: &str, found: &str| IoError::Parse {
        path: lines.path().to_owned(),
        line,
        expected: expected.to_owned(),
        found: found.to_owned(),
        hint: None,
    };
    while k < tokens.len() {
        let line = tokens[k].1;
        let Some(text) = word(k) else {
            return Err(trouble(line, "a key starting with _", "a quoted text"));
        };
        let lower = text.to_lowercase();
        if let Some(name) = lower.strip_prefix("data_") {
            blocks.push(Block { name: name.to_owned(), items: Vec::new() });
            k += 1;
            continue;
        }
        let Some(block) = blocks.last_mut() else {
            return Err(trouble(line, "data_NAME at the start of a CIF", text));
        };
        if lower == "loop_" {
            k += 1;
            let mut keys = Vec::new();
            while let Some(key) = word(k).filter(|w| w.starts_with('_')) {
                let key = plain_key(key);
                if block.column(&key).is_some() || keys.contains(&key) {
                    return Err(trouble(tokens[k].1, "every key once", &key));
                }
                keys.push(key);
                k += 1;
            }
            if keys.is_empty() {
                return Err(trouble(line, "keys after loop_", word(k).unwrap_or("nothing")));
            }
            let mut columns = vec![Vec::new(); keys.len()];
            let mut count = 0;
            while k < tokens.len() {
                let text = match &tokens[k].0 {
                    Token::Text(text) => text.clone(),
                    Token::Word(word) if is_value(word) => word.clone(),
                    Token::Word(_) => break,
                };
                columns[count % keys.len()].push(Value { text, line: tokens[k].1 });
                count += 1;
                k += 1;
            }
            if count == 0 || !count.is_multiple_of(keys.len()) {
                return Err(trouble(
                    line,
                    &format!("rows of {} values in this loop", keys.len()),
                    &format!("{count} values"),
                ));
            }
            block.items.extend(keys.into_iter().zip(columns));
        } else if lower.starts_with('_') {
            let value = match tokens.get(k + 1) {
                Some((Token::Text(text), line)) => Value { text: text.clone(), line: *line },
                Some((Token::Word(word), line)) if is_value(word) => {
                    Value { text: word.clone(), line: *line }
                }
                _ => return Err(trouble(line, &format!("a value for {text}"), "nothing")),
            };
            let key = plain_key(text);
            if block.column(&key).is_some() {
                return Err(trouble(line, "every key once", &key));
            }
            block.items.push((key, vec![value]));
            k += 2;
        } else {
            return Err(trouble(line, "a key starting with _, or loop_", text));
        }
    }
    Ok(blocks)
}

fn plain_key(key: &str) -> String {
    key.to_lowercase().replace('.', "_")
}

fn is_value(word: &str) -> bool {
    let lower = word.to_lowercase();
    !word.starts_with('_') && lower != "loop_" && !lower.starts_with("data_")
}

/// Tokens with their line numbers.
fn tokens(lines: &mut Lines) -> Result<Vec<(Token, usize)>, IoError> {
    let mut result = Vec::new();
    while let Some(line) = lines.next()? {
        let line = line.to_owned();
        let number = lines.number();
        if let Some(first) = line.strip_prefix(';') {
            let mut text = first.to_owned();
            loop {
                let next = lines.required("a text between semicolons")?;
                if next.starts_with(';') {
                    break;
                }
                text.push('\n');
                text.push_str(next);
            }
            result.push((Token::Text(text), number));
            continue;
        }
        let mut rest = line.trim_start();
        while !rest.is_empty() && !rest.starts_with('#') {
            let quote = rest.chars().next().filter(|c| *c == '\'' || *c == '"');
            let end = if let Some(quote) = quote {
                // a quote closes only before white space
                let close = rest[1..].char_indices().find(|(at, c)| {
                    *c == quote && rest[at + 2..].chars().next().is_none_or(char::is_whitespace)
                });
                let Some((at, _)) = close else {
                    return Err(lines.error(format!("a closing {quote}"), rest));
                };
                result.push((Token::Text(rest[1..=at].to_owned()), number));
                at + 2
            } else {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                result.push((Token::Word(rest[..end].to_owned()), number));
                end
            };
            rest = rest[end..].trim_start();
        }
    }
    Ok(result)
}

/// A number with an optional standard uncertainty: 1.234(5).
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = match text.split_once('(') {
        Some((value, su)) if su.ends_with(')') => value,
        Some(_) => return None,
        None => text,
    };
    plain.parse::<f64>().ok().filter(|x| x.is_finite())
}
