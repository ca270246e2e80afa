//! What all pages share: heading, links to the sections, the sections, the foot.

use super::html::escape;
use std::fmt::Write as _;

/// One section.
pub(super) struct Part {
    /// Anchor of links to it.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) html: String,
}

impl Part {
    pub(super) fn new(id: &str, title: &str, html: String) -> Self {
        Part { id: id.to_owned(), title: title.to_owned(), html }
    }
}

/// Sections of one page as sections of another: anchors and titles begin with a word.
pub(super) fn within(word: &str, mut parts: Vec<Part>) -> Vec<Part> {
    let anchor = word.to_lowercase().replace(' ', "-");
    for part in &mut parts {
        part.id = format!("{anchor}-{}", part.id);
        part.title = format!("{word}: {}", part.title);
    }
    parts
}

/// The body of a page: `kind` stands beside the name of the program, `lead` (HTML) below the title.
pub(super) fn body(kind: &str, title: &str, lead: &str, parts: &[Part]) -> String {
    let mut out = format!(
        "<a class=\"skip\" href=\"#main\">Skip to the results</a><header>\
         <p class=\"brand\">vitrion <span>{}</span></p><h1>{}</h1><p class=\"lead\">{lead}</p>\
         <nav aria-label=\"Sections\"><ul>",
        escape(kind),
        escape(title)
    );
    for part in parts {
        let _ =
            write!(out, "<li><a href=\"#{}\">{}</a></li>", escape(&part.id), escape(&part.title));
    }
    out.push_str(
        "</ul><button type=\"button\" id=\"theme\" class=\"js-only\">Theme</button></nav></header>\
         <main id=\"main\">",
    );
    for Part { id, title, html } in parts {
        let (id, title) = (escape(id), escape(title));
        let _ = write!(
            out,
            "<section id=\"{id}\" aria-labelledby=\"h-{id}\"><h2 id=\"h-{id}\">{title}</h2>{html}</section>"
        );
    }
    let _ = write!(
        out,
        "</main><footer>Made by vitrion {}; this file needs no network.</footer>",
        env!("CARGO_PKG_VERSION")
    );
    out
}
