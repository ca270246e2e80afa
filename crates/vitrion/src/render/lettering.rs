//! Text as strokes of a pen, so that pictures need no font.

use super::Image;
use super::color::Color;

/// Heights of letters, of which the line above the small ones is 4 and a descender −2.
pub(super) const CAPITAL: f64 = 6.0;
/// Width of the pen.
const PEN: f64 = 0.95;
const GAP: f64 = 1.7;
const SPACE: f64 = 2.6;

/// Strokes of a letter: points as two digits x and y, where y = 2 is the line the letters stand on; strokes
/// that begin with `~` are round.
#[rustfmt::skip]
fn strokes(letter: char) -> &'static [&'static str] {
    match letter {
        'A' => &["022842", "1434"],
        'B' => &["0802", "~082848452505", "~052545422202"],
        'C' => &["~4738180703123243"],
        'D' => &["0802", "~082848422202"],
        'E' => &["48080242", "0535"],
        'F' => &["480802", "0535"],
        'G' => &["~4738180703123243", "434525"],
        'H' => &["0802", "4842", "0545"],
        'I' | 'l' => &["2822"],
        'J' => &["~4843321203"],
        'K' => &["0802", "4804", "1542"],
        'L' => &["080242"],
        'M' => &["0208254842"],
        'N' => &["02084248"],
        'O' | '0' => &["~381807031232434738"],
        'P' => &["0802", "~082848452505"],
        'Q' => &["~381807031232434738", "2442"],
        'R' => &["0802", "~082848452505", "2542"],
        'S' => &["~473818070615354443321203"],
        'T' => &["0848", "2822"],
        'U' => &["~080312324348"],
        'V' => &["082248"],
        'W' => &["0812263248"],
        'X' => &["0842", "0248"],
        'Y' => &["082548", "2522"],
        'Z' => &["08480242"],
        'a' => &["~361605031232434536", "4642"],
        'b' => &["~361605031232434536", "0802"],
        'c' => &["~4536160503123243"],
        'd' => &["~361605031232434536", "4842"],
        'e' => &["0444", "~444536160503123243"],
        'f' => &["~48282622", "1636"],
        'g' => &["~361605031232434536", "~4641301001"],
        'h' => &["0802", "~0516364542"],
        'i' => &["2622", "2828"],
        'j' => &["~26211000", "2828"],
        'k' => &["0802", "4603", "1442"],
        'm' => &["0602", "~05162522", "~25364542"],
        'n' => &["0602", "~0516364542"],
        'o' => &["~361605031232434536"],
        'p' => &["~361605031232434536", "0600"],
        'q' => &["~361605031232434536", "4640"],
        'r' => &["0602", "~041636"],
        's' => &["~45361605143443321203"],
        't' => &["~28233242", "1636"],
        'u' => &["~0603123243", "4642"],
        'v' => &["062246"],
        'w' => &["0612253246"],
        'x' => &["0642", "0246"],
        'y' => &["0622", "4610"],
        'z' => &["06460242"],
        '1' => &["172822"],
        '2' => &["~0718384745", "450242"],
        '3' => &["~07183847463515", "~15354443321203"],
        '4' => &["32380444"],
        '5' => &["480805", "~05354443321203"],
        '6' => &["~473818070312324344351504"],
        '7' => &["084812"],
        '8' => &["~351506071838474635", "~351504031232434435"],
        '9' => &["~031232434738180706153546"],
        '.' => &["2222"],
        ',' => &["2211"],
        ':' => &["2323", "2626"],
        '-' | '−' => &["1535"],
        '+' => &["0545", "2327"],
        '=' => &["1636", "1434"],
        '_' => &["0141"],
        '/' => &["0148"],
        '(' => &["~38272332"],
        ')' => &["~18272312"],
        '[' => &["38282232"],
        ']' => &["18282212"],
        'Å' => &["022742", "1434", "~2718293827"],
        ' ' => &[],
        // an empty box
        _ => &["0208484202"],
    }
}

type Point = [f64; 2];

/// Width of a text whose capitals are this high [pixels].
pub(super) fn width(text: &str, capital: f64) -> f64 {
    let units: f64 = text.chars().map(|letter| laid_out(letter).1 + GAP).sum();
    (units - GAP).max(0.0) * capital / CAPITAL
}

/// Writes a text whose capitals are `capital` pixels high, from the left end of the line it stands on.
pub(super) fn write(image: &mut Image, text: &str, from: Point, capital: f64, ink: Color) {
    let scale = capital / CAPITAL;
    let mut segments = Vec::new();
    let mut pen = 0.0;
    for letter in text.chars() {
        let (lines, width) = laid_out(letter);
        for line in lines {
            let place = |[x, y]: Point| [from[0] + (pen + x) * scale, from[1] - (y - 2.0) * scale];
            segments.extend(line.windows(2).map(|pair| (place(pair[0]), place(pair[1]))));
        }
        pen += width + GAP;
    }
    let half = 0.5 * PEN * scale;
    let rows = (from[1] - 1.4 * capital).max(0.0) as usize
        ..((from[1] + 0.6 * capital) as usize).min(image.height);
    let columns = (from[0] - half - 1.0).max(0.0) as usize
        ..((from[0] + pen * scale + half) as usize).min(image.width);
    for row in rows {
        for column in columns.clone() {
            let pixel = [column as f64 + 0.5, row as f64 + 0.5];
            let nearest =
                segments.iter().map(|(a, b)| distance(pixel, *a, *b)).fold(f64::INFINITY, f64::min);
            blend(image, column, row, ink, (half + 0.5 - nearest).clamp(0.0, 1.0));
        }
    }
}

/// Lays a share of a colour over a pixel.
pub(super) fn blend(image: &mut Image, column: usize, row: usize, ink: Color, share: f64) {
    if share <= 0.0 {
        return;
    }
    let pixel = &mut image.rgba[4 * (row * image.width + column)..][..4];
    let under = f64::from(pixel[3]) / 255.0;
    let opacity = share + under * (1.0 - share);
    let light: [f64; 3] = std::array::from_fn(|k| {
        let below = Color([pixel[0], pixel[1], pixel[2]]).linear()[k] * under * (1.0 - share);
        (ink.linear()[k] * share + below) / opacity
    });
    pixel[..3].copy_from_slice(&Color::of_linear(light).0);
    pixel[3] = (255.0 * opacity).round() as u8;
}

/// Lines of a letter moved to the left edge, and its width.
fn laid_out(letter: char) -> (Vec<Vec<Point>>, f64) {
    let lines: Vec<Vec<Point>> = strokes(letter).iter().map(|stroke| line(stroke)).collect();
    let across = || lines.iter().flatten().map(|point| point[0]);
    let (left, right) =
        (across().fold(f64::INFINITY, f64::min), across().fold(f64::NEG_INFINITY, f64::max));
    if left > right {
        return (lines, SPACE - GAP);
    }
    let shifted =
        lines.iter().map(|line| line.iter().map(|[x, y]| [x - left, *y]).collect()).collect();
    (shifted, right - left)
}

fn line(stroke: &str) -> Vec<Point> {
    let round = stroke.starts_with('~');
    let digits: Vec<f64> =
        stroke.bytes().filter(u8::is_ascii_digit).map(|digit| f64::from(digit - b'0')).collect();
    let mut line: Vec<Point> = digits.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
    if round {
        for _ in 0..3 {
            line = cut_corners(&line);
        }
    }
    line
}

/// Every corner becomes two (Chaikin, 1974); ends stay, unless they meet.
fn cut_corners(line: &[Point]) -> Vec<Point> {
    let closed = line.first() == line.last();
    let mut cut = Vec::with_capacity(2 * line.len());
    for pair in line.windows(2) {
        let between = |part: f64| -> Point {
            std::array::from_fn(|k| pair[0][k] + part * (pair[1][k] - pair[0][k]))
        };
        cut.extend([between(0.25), between(0.75)]);
    }
    if let ([first, .., last], false) = (line, closed) {
        cut[0] = *first;
        *cut.last_mut().expect("a line has two points") = *last;
    } else {
        cut.push(cut[0]);
    }
    cut
}

/// From a point to a straight line between two others.
fn distance(point: Point, a: Point, b: Point) -> f64 {
    let (along, to) = ([b[0] - a[0], b[1] - a[1]], [point[0] - a[0], point[1] - a[1]]);
    let length2 = along[0] * along[0] + along[1] * along[1];
    let dot = to[0] * along[0] + to[1] * along[1];
    let part = if length2 > 0.0 { (dot / length2).clamp(0.0, 1.0) } else { 0.0 };
    (to[0] - part * along[0]).hypot(to[1] - part * along[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_elements_numbers_and_column_names_has_strokes() {
        let unknown = strokes('\u{1}');
        for letter in (b'!'..=b'~').map(char::from).chain(['Å', '−']) {
            let named = letter.is_ascii_alphanumeric() || "._-+/,:()[]=Å−".contains(letter);
            assert_eq!(strokes(letter) != unknown, named, "{letter}");
            assert!(strokes(letter).iter().all(|stroke| line(stroke).len() > 1), "{letter}");
        }
    }

    #[test]
    fn a_letter_covers_its_strokes_and_nothing_far_from_them() {
        let mut image = Image { width: 40, height: 40, rgba: vec![255; 4 * 40 * 40] };
        write(&mut image, "I", [10.0, 30.0], 20.0, Color([0; 3]));
        assert_eq!(image.pixel(10, 20)[0], 0, "on the stroke");
        assert_eq!(image.pixel(16, 20)[0], 255, "beside it");
        assert_eq!(image.pixel(10, 5)[0], 255, "above it");
        assert!((width("I", 20.0)).abs() < 1e-12 && width("Li", 20.0) > 5.0);
    }
}
