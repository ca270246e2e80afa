//! The new lines of a file that grows: each byte is read once.

use super::files::Look;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;

/// Read in one look; the rest follows with the next, so that a look at a huge file ends.
const PIECE: u64 = 32 << 20;
/// Bytes before the place that are compared to see if the file is still the same.
const REMEMBERED: usize = 64;

/// Takes lines.
pub(super) trait Lines {
    /// The file begins anew: what came before does not count.
    fn clear(&mut self);
    /// A complete line without its end.
    fn line(&mut self, text: &str);
}

/// How far a file has been read.
#[derive(Debug, Default)]
pub(super) struct Tail {
    offset: u64,
    inode: u64,
    /// The last bytes before the offset.
    before: Vec<u8>,
}

impl Tail {
    /// Hands on the lines that are new and complete, and returns how many bytes are left for the next look;
    /// `None` if there is no such file. A line that is being written is left until it has its end.
    pub(super) fn read(
        &mut self,
        look: &mut Look<'_>,
        relative: &str,
        lines: &mut dyn Lines,
    ) -> Option<u64> {
        self.read_piece(look, relative, lines, PIECE)
    }

    fn read_piece(
        &mut self,
        look: &mut Look<'_>,
        relative: &str,
        lines: &mut dyn Lines,
        piece: u64,
    ) -> Option<u64> {
        let Some((mut file, metadata)) = look.file(relative) else {
            if self.offset > 0 {
                *self = Tail::default();
                lines.clear();
            }
            return None;
        };
        let length = metadata.len();
        if length == self.offset && metadata.ino() == self.inode {
            return Some(0);
        }
        // from the remembered bytes on, to see if they are still there
        let start = self.offset - self.before.len() as u64;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start)).ok()?;
        file.by_ref().take(piece + self.before.len() as u64).read_to_end(&mut bytes).ok()?;
        let same = metadata.ino() == self.inode && bytes.starts_with(&self.before);
        if same {
            bytes.drain(..self.before.len());
        } else {
            if self.offset > 0 {
                lines.clear();
            }
            *self = Tail { inode: metadata.ino(), ..Tail::default() };
            bytes.clear();
            file.seek(SeekFrom::Start(0)).ok()?;
            file.take(piece).read_to_end(&mut bytes).ok()?;
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        // a line longer than a piece is none of ours
        let taken = if whole == 0 && bytes.len() as u64 >= piece { bytes.len() } else { whole };
        for line in String::from_utf8_lossy(&bytes[..whole]).lines() {
            lines.line(line);
        }
        self.offset += taken as u64;
        self.before.extend_from_slice(&bytes[..taken]);
        let surplus = self.before.len().saturating_sub(REMEMBERED);
        self.before.drain(..surplus);
        Some(if taken == 0 { 0 } else { length.saturating_sub(self.offset) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write as _;

    #[derive(Default)]
    struct Seen {
        lines: Vec<String>,
        cleared: usize,
    }

    impl Lines for Seen {
        fn clear(&mut self) {
            self.lines.clear();
            self.cleared += 1;
        }
        fn line(&mut self, text: &str) {
            self.lines.push(text.to_owned());
        }
    }

    struct Place {
        folder: tempfile::TempDir,
        tail: Tail,
        seen: Seen,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            Place { folder, tail: Tail::default(), seen: Seen::default() }
        }
        fn append(&self, text: &str) {
            let path = self.folder.path().join("f");
            let mut file =
                OpenOptions::new().create(true).append(true).open(path).expect("writable");
            file.write_all(text.as_bytes()).expect("writable");
        }
        fn read(&mut self, piece: u64) -> Option<u64> {
            let mut look = Look::new(self.folder.path());
            self.tail.read_piece(&mut look, "f", &mut self.seen, piece)
        }
    }

    #[test]
    fn torn_lines_wait_for_their_end_and_no_line_comes_twice() {
        let mut place = Place::new();
        assert_eq!(place.read(PIECE), None);
        place.append("step,x\n0,1\n1,");
        assert_eq!(place.read(PIECE), Some(3 - 1));
        assert_eq!(place.seen.lines, ["step,x", "0,1"]);
        assert_eq!(place.read(PIECE), Some(0));
        place.append("2\n2,");
        place.read(PIECE);
        place.append("3");
        place.read(PIECE);
        assert_eq!(place.seen.lines, ["step,x", "0,1", "1,2"]);
        place.append("\n");
        place.read(PIECE);
        assert_eq!(place.seen.lines, ["step,x", "0,1", "1,2", "2,3"]);
        assert_eq!(place.seen.cleared, 0);
    }

    #[test]
    fn a_file_that_was_cut_or_replaced_is_read_anew() {
        let mut place = Place::new();
        place.append("a\nb\nc\n");
        place.read(PIECE);
        let path = place.folder.path().join("f");
        fs::write(&path, "a\n").expect("written");
        place.read(PIECE);
        assert_eq!((&place.seen.lines[..], place.seen.cleared), (&["a".to_owned()][..], 1));
        // cut and grown beyond the old place between two looks
        fs::write(&path, "x\ny\nz\n").expect("written");
        place.read(PIECE);
        assert_eq!((place.seen.lines.join(" "), place.seen.cleared), ("x y z".to_owned(), 2));
        // the same bytes in another file, as after a rename
        fs::write(path.with_extension("part"), "x\ny\nz\nw\n").expect("written");
        fs::rename(path.with_extension("part"), &path).expect("renamed");
        place.read(PIECE);
        assert_eq!((place.seen.lines.join(" "), place.seen.cleared), ("x y z w".to_owned(), 3));
        fs::remove_file(&path).expect("removed");
        assert_eq!(place.read(PIECE), None);
        assert!(place.seen.lines.is_empty());
    }

    #[test]
    fn a_large_file_comes_in_pieces_and_an_endless_line_is_passed_over() {
        let mut place = Place::new();
        place.append("one\ntwo\nthree\n");
        assert_eq!(place.read(9), Some(6));
        assert_eq!(place.seen.lines, ["one", "two"]);
        assert_eq!(place.read(9), Some(0));
        assert_eq!(place.seen.lines, ["one", "two", "three"]);
        place.append("0123456789abcdef\nend\n");
        while place.read(9) != Some(0) {}
        assert_eq!(place.seen.lines, ["one", "two", "three", "9abcdef", "end"]);
        assert_eq!(place.seen.cleared, 0);
    }
}
