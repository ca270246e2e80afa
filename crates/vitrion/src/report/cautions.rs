//! Cautions of many runs, folded: one entry per kind of trouble with the runs it concerns.

use super::html::{counted, escape};
use super::load::Results;
use std::fmt::Write as _;
use vitrion_core::observables::Caution;

/// One kind of caution and where it was raised.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Folded {
    /// Machine name shared by all.
    pub(super) code: String,
    /// Advice, distinct texts only.
    pub(super) advice: Vec<String>,
    /// What was found, and the places where exactly this was found, in order of appearance.
    pub(super) messages: Vec<(String, Vec<String>)>,
}

impl Folded {
    fn places(&self) -> usize {
        self.messages.iter().map(|(_, places)| places.len()).sum()
    }
}

/// All cautions of a results folder, folded.
pub(super) fn of_results(results: &Results) -> Vec<Folded> {
    let mut all = Vec::new();
    for system in &results.systems {
        for observables in &system.analyses {
            let place = format!("{} (all runs)", system.entry.name);
            all.extend(observables.cautions.iter().map(|caution| (place.clone(), caution)));
        }
        for run in &system.runs {
            for observables in &run.analyses {
                all.extend(observables.cautions.iter().map(|c| (run.entry.id.clone(), c)));
            }
        }
    }
    fold(&all)
}

/// Folds `(place, caution)` pairs by code, keeping the order of first appearance.
pub(super) fn fold(cautions: &[(String, &Caution)]) -> Vec<Folded> {
    let mut folded: Vec<Folded> = Vec::new();
    for (place, caution) in cautions {
        let index = folded.iter().position(|f| f.code == caution.code).unwrap_or_else(|| {
            let code = caution.code.clone();
            folded.push(Folded { code, advice: Vec::new(), messages: Vec::new() });
            folded.len() - 1
        });
        let entry = &mut folded[index];
        if !caution.advice.is_empty() && !entry.advice.contains(&caution.advice) {
            entry.advice.push(caution.advice.clone());
        }
        match entry.messages.iter_mut().find(|(message, _)| *message == caution.message) {
            Some((_, places)) if places.contains(place) => {}
            Some((_, places)) => places.push(place.clone()),
            None => entry.messages.push((caution.message.clone(), vec![place.clone()])),
        }
    }
    folded
}

/// All kinds of cautions in one line, for the top of a page; empty without any.
pub(super) fn headline(folded: &[Folded]) -> String {
    if folded.is_empty() {
        return String::new();
    }
    let kind = |entry: &Folded| {
        format!(
            "<strong>{}</strong> ({})",
            escape(&heading(&entry.code)),
            counted(entry.places(), "place")
        )
    };
    let kinds: Vec<String> = folded.iter().map(kind).collect();
    format!(
        "<p class=\"note\">Read the numbers below with these cautions: {}. \
         <a href=\"#cautions\">What was found, and what to do</a></p>",
        kinds.join(", ")
    )
}

/// The cautions as HTML; says so when there are none. `runs` are the ids of all runs.
pub(super) fn html(folded: &[Folded], runs: &[&str]) -> String {
    if folded.is_empty() {
        return "<p class=\"quiet\">No analysis raised a caution.</p>\n".to_owned();
    }
    let mut out = String::from("<ul class=\"cautions\">");
    for entry in folded {
        let _ = write!(
            out,
            "<li><p><strong>{}</strong> <span class=\"where\">{}</span></p>",
            escape(&heading(&entry.code)),
            escape(&counted(entry.places(), "place"))
        );
        let many = entry.messages.len() > 1;
        if many {
            let _ = write!(
                out,
                "<p>{} <span class=\"where\">{}</span></p><details><summary>{} more of this kind</summary>",
                escape(&entry.messages[0].0),
                escape(&where_found(&entry.messages[0].1, runs)),
                entry.messages.len() - 1
            );
        }
        for (message, places) in entry.messages.iter().skip(usize::from(many)) {
            let _ = write!(
                out,
                "<p>{} <span class=\"where\">{}</span></p>",
                escape(message),
                escape(&where_found(places, runs))
            );
        }
        if many {
            out.push_str("</details>");
        }
        for advice in &entry.advice {
            let _ = write!(out, "<p class=\"advice\">{}</p>", escape(advice));
        }
        out.push_str("</li>");
    }
    out.push_str("</ul>\n");
    out
}

/// The places, or "all runs" when they are exactly these.
fn where_found(places: &[String], runs: &[&str]) -> String {
    if runs.len() > 1 && places.iter().map(String::as_str).eq(runs.iter().copied()) {
        return format!("all {} runs", runs.len());
    }
    places.join(", ")
}

/// "Not diffusive" of "not_diffusive".
fn heading(code: &str) -> String {
    if code == "nernst_einstein" {
        return "Nernst–Einstein".to_owned();
    }
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map_or(words.clone(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caution(code: &str, message: &str) -> Caution {
        Caution { code: code.into(), message: message.into(), advice: "run longer".into() }
    }

    #[test]
    fn the_same_caution_of_several_runs_is_told_once_with_the_runs() {
        let thin = caution("thin_statistics", "fewer than 10 blocks");
        let slow = caution("not_diffusive", "exponent 0.4");
        let slower = caution("not_diffusive", "exponent 0.2");
        let folded = fold(&[
            ("a-600K".into(), &thin),
            ("a-600K".into(), &slow),
            ("b-600K".into(), &thin),
            ("b-600K".into(), &thin),
            ("b-600K".into(), &slower),
        ]);
        assert_eq!(folded.len(), 2);
        assert_eq!(
            folded[0].messages,
            [("fewer than 10 blocks".to_owned(), vec!["a-600K".to_owned(), "b-600K".to_owned()])]
        );
        assert_eq!(folded[1].messages.len(), 2);
        assert_eq!(folded[1].advice, ["run longer"]);
        let page = html(&folded, &["a-600K", "b-600K", "c-600K"]);
        assert!(page.contains("a-600K, b-600K"), "{page}");
        assert_eq!(page.matches("Not diffusive").count(), 1);
        let page = html(&folded, &["a-600K", "b-600K"]);
        assert!(page.contains("all 2 runs"), "{page}");
    }

    #[test]
    fn no_caution_is_said_in_words() {
        assert!(html(&[], &[]).contains("No analysis raised a caution"));
    }
}
