//! The few HTML pieces every section uses.

use std::fmt::Write as _;

/// Text with the five special characters of HTML replaced.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// JSON that may stand inside a script element: no `<` survives.
pub(crate) fn script_json(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// A table that scrolls sideways on narrow screens. Cells are HTML, already escaped.
pub(super) fn table(id: &str, caption: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let mut out = format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{0}\">\
         <table id=\"{1}\"><caption>{0}</caption><thead><tr>",
        escape(caption),
        escape(id)
    );
    for cell in head {
        let _ = write!(out, "<th scope=\"col\">{cell}</th>");
    }
    out.push_str("</tr></thead><tbody>");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            if column == 0 {
                let _ = write!(out, "<th scope=\"row\">{cell}</th>");
            } else {
                let _ = write!(out, "<td>{cell}</td>");
            }
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// A list of terms and descriptions; the terms are text, the descriptions HTML.
pub(super) fn definitions(pairs: &[(&str, String)]) -> String {
    let mut out = String::from("<dl class=\"facts\">");
    for (term, description) in pairs {
        let _ = write!(out, "<div><dt>{}</dt><dd>{description}</dd></div>", escape(term));
    }
    out.push_str("</dl>\n");
    out
}

/// A folded block; `body` is HTML.
pub(super) fn details(summary: &str, body: &str) -> String {
    format!("<details><summary>{}</summary>{body}</details>\n", escape(summary))
}

/// A visible remark that something is missing.
pub(super) fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escape(text))
}

/// "1 run", "2 runs".
pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_cannot_become_markup() {
        assert_eq!(
            escape("<script>alert(\"a\" & 'b')</script>"),
            "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;"
        );
    }

    #[test]
    fn tables_have_header_cells_for_screen_readers() {
        let html = table("t", "A & B", &["x".into()], &[vec!["1".into(), "2".into()]]);
        assert!(html.contains("<caption>A &amp; B</caption>"), "{html}");
        assert!(html.contains("<th scope=\"row\">1</th><td>2</td>"), "{html}");
    }
}
