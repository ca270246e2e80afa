//! The header of a NetCDF classic file: dimensions, attributes, variables.

use super::MAGIC;

/// Tags of the lists in a header.
const DIMENSIONS: u32 = 10;
const VARIABLES: u32 = 11;
const ATTRIBUTES: u32 = 12;

/// Types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Byte,
    Char,
    Short,
    Int,
    Float,
    Double,
}

impl Type {
    const ALL: [Type; 6] =
        [Type::Byte, Type::Char, Type::Short, Type::Int, Type::Float, Type::Double];

    fn number(self) -> u32 {
        Type::ALL.iter().position(|t| *t == self).expect("all are listed") as u32 + 1
    }

    fn from_number(number: u32) -> Option<Type> {
        Type::ALL.get(number.checked_sub(1)? as usize).copied()
    }

    pub(super) fn size(self) -> usize {
        match self {
            Type::Byte | Type::Char => 1,
            Type::Short => 2,
            Type::Int | Type::Float => 4,
            Type::Double => 8,
        }
    }
}

/// A name and a text, or a number in its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(f64),
    /// Of no use here.
    Other,
}

/// An array; `dimensions` are indices, the record dimension first if it has one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variable {
    pub(super) name: String,
    pub(super) dimensions: Vec<usize>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) kind: Type,
    /// From the start of the file; for record variables, of the first record.
    pub(super) begin: u64,
}

/// Everything before the data.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Header {
    pub(super) records: u32,
    /// Lengths; zero is the record dimension.
    pub(super) dimensions: Vec<(String, usize)>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) variables: Vec<Variable>,
}

impl Header {
    /// Values of a variable in one record, or in all for one without records.
    pub(super) fn count(&self, variable: &Variable) -> usize {
        variable.dimensions.iter().map(|d| self.dimensions[*d].1).filter(|n| *n > 0).product()
    }

    /// True if every record has its own values.
    pub(super) fn per_record(&self, variable: &Variable) -> bool {
        variable.dimensions.first().is_some_and(|d| self.dimensions[*d].1 == 0)
    }

    /// Bytes in a record (or in the file), padded to four.
    pub(super) fn padded(&self, variable: &Variable) -> u64 {
        (self.count(variable) * variable.kind.size()).next_multiple_of(4) as u64
    }

    /// Bytes of one record: all record variables after each other; a single one is not padded.
    pub(super) fn record_bytes(&self) -> u64 {
        let of_record: Vec<&Variable> =
            self.variables.iter().filter(|v| self.per_record(v)).collect();
        match of_record.as_slice() {
            [only] => (self.count(only) * only.kind.size()) as u64,
            all => all.iter().map(|v| self.padded(v)).sum(),
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.iter().find(|v| v.name == name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.name == name).and_then(|a| match &a.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Sets where every variable begins and returns the bytes of the header with 64-bit offsets.
    pub(super) fn lay_out(&mut self) -> Vec<u8> {
        let mut next = self.encode().len() as u64; // offsets have a fixed width
        for per_record in [false, true] {
            for k in 0..self.variables.len() {
                if self.per_record(&self.variables[k]) == per_record {
                    self.variables[k].begin = next;
                    next += self.padded(&self.variables[k]);
                }
            }
        }
        self.encode()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(2);
        word(&mut out, self.records);
        list(&mut out, DIMENSIONS, self.dimensions.len());
        for (name, length) in &self.dimensions {
            text(&mut out, name);
            word(&mut out, *length as u32);
        }
        attributes(&mut out, &self.attributes);
        list(&mut out, VARIABLES, self.variables.len());
        for variable in &self.variables {
            text(&mut out, &variable.name);
            word(&mut out, variable.dimensions.len() as u32);
            for dimension in &variable.dimensions {
                word(&mut out, *dimension as u32);
            }
            attributes(&mut out, &variable.attributes);
            word(&mut out, variable.kind.number());
            // the field is of 32 bits; larger sizes say so and are computed by readers
            word(&mut out, u32::try_from(self.padded(variable)).unwrap_or(u32::MAX));
            out.extend(variable.begin.to_be_bytes());
        }
        out
    }

    /// Reads a header from the start of a file; `None` where the bytes end too early, and a message
    /// where they are no header.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Header>, String> {
        let mut source = Source { bytes, at: 0 };
        match decode(&mut source) {
            Ok(header) => Ok(Some(header)),
            Err(Trouble::Short) => Ok(None),
            Err(Trouble::Wrong(message)) => Err(message),
        }
    }
}

fn word(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

fn list(out: &mut Vec<u8>, tag: u32, length: usize) {
    word(out, if length == 0 { 0 } else { tag });
    word(out, length as u32);
}

fn text(out: &mut Vec<u8>, value: &str) {
    word(out, value.len() as u32);
    out.extend(value.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
}

fn attributes(out: &mut Vec<u8>, attributes: &[Attribute]) {
    list(out, ATTRIBUTES, attributes.len());
    for Attribute { name, value } in attributes {
        text(out, name);
        match value {
            Value::Text(value) => {
                word(out, Type::Char.number());
                text(out, value);
            }
            Value::Number(value) => {
                word(out, Type::Double.number());
                word(out, 1);
                out.extend(value.to_be_bytes());
            }
            Value::Other => unreachable!("only texts and numbers are written"),
        }
    }
}

enum Trouble {
    Short,
    Wrong(String),
}

struct Source<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Source<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Trouble> {
        let end = self.at.checked_add(count).ok_or(Trouble::Short)?;
        let taken = self.bytes.get(self.at..end).ok_or(Trouble::Short)?;
        self.at = end;
        Ok(taken)
    }

    fn word(&mut self) -> Result<u32, Trouble> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().expect("four bytes")))
    }

    fn long(&mut self) -> Result<u64, Trouble> {
        Ok(u64::from_be_bytes(self.take(8)?.try_into().expect("eight bytes")))
    }

    fn text(&mut self) -> Result<String, Trouble> {
        let length = self.word()? as usize;
        let bytes = self.take(length.next_multiple_of(4))?;
        Ok(String::from_utf8_lossy(&bytes[..length]).trim_end_matches('\0').to_owned())
    }

    fn list(&mut self, tag: u32, what: &str) -> Result<usize, Trouble> {
        let (found, length) = (self.word()?, self.word()?);
        if found == tag || (found == 0 && length == 0) {
            return Ok(length as usize);
        }
        Err(Trouble::Wrong(format!("the list of {what} of the NetCDF header is damaged")))
    }

    fn kind(&mut self) -> Result<Type, Trouble> {
        let number = self.word()?;
        Type::from_number(number)
            .ok_or_else(|| Trouble::Wrong(format!("unknown NetCDF type {number}")))
    }

    fn attributes(&mut self) -> Result<Vec<Attribute>, Trouble> {
        let count = self.list(ATTRIBUTES, "attributes")?;
        let mut found = Vec::new();
        for _ in 0..count {
            let name = self.text()?;
            let (kind, length) = (self.kind()?, self.word()? as usize);
            let bytes = self.take((length * kind.size()).next_multiple_of(4))?;
            let value = match (kind, length) {
                (Type::Char, _) => {
                    let text = String::from_utf8_lossy(&bytes[..length]);
                    Value::Text(text.trim_end_matches('\0').to_owned())
                }
                (Type::Float, 1) => Value::Number(f64::from(f32::from_be_bytes(
                    bytes[..4].try_into().expect("four bytes"),
                ))),
                (Type::Double, 1) => {
                    Value::Number(f64::from_be_bytes(bytes[..8].try_into().expect("eight bytes")))
                }
                _ => Value::Other,
            };
            found.push(Attribute { name, value });
        }
        Ok(found)
    }
}

fn decode(source: &mut Source<'_>) -> Result<Header, Trouble> {
    let magic = source.take(4)?;
    let wide = match magic {
        [b'C', b'D', b'F', 1] => false,
        [b'C', b'D', b'F', 2] => true,
        _ => {
            let message = "not a NetCDF classic file (it does not begin with CDF 1 or CDF 2); NetCDF-4 \
                           files are HDF5: convert with `nccopy -k nc6`";
            return Err(Trouble::Wrong(message.to_owned()));
        }
    };
    let mut header = Header { records: source.word()?, ..Header::default() };
    for _ in 0..source.list(DIMENSIONS, "dimensions")? {
        let name = source.text()?;
        header.dimensions.push((name, source.word()? as usize));
    }
    header.attributes = source.attributes()?;
    for _ in 0..source.list(VARIABLES, "variables")? {
        let name = source.text()?;
        let mut dimensions = Vec::new();
        for _ in 0..source.word()? {
            let dimension = source.word()? as usize;
            if dimension >= header.dimensions.len() {
                let message = format!("variable {name} has a dimension that does not exist");
                return Err(Trouble::Wrong(message));
            }
            dimensions.push(dimension);
        }
        let attributes = source.attributes()?;
        let kind = source.kind()?;
        source.word()?; // its size follows from the dimensions
        let begin = if wide { source.long()? } else { u64::from(source.word()?) };
        header.variables.push(Variable { name, dimensions, attributes, kind, begin });
    }
    Ok(header)
}
