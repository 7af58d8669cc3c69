//! The landing page at `/`: how to send a sample, how to scrape the bridge, its current problems, and links to the API.

use std::net::SocketAddr;

use super::problems::Problems;

const TEMPLATE: &str = include_str!("landing.html");

/// The values that the landing page shows.
#[derive(Debug)]
pub(super) struct LandingFacts<'a> {
    /// The path of the exposition.
    pub(super) telemetry_path: &'a str,
    /// Whether the bridge is ready to receive lines.
    pub(super) ready: bool,
    /// A shell command that sends a sample.
    pub(super) sample_command: Option<&'a str>,
    /// The address that the client connected to.
    pub(super) address: Option<SocketAddr>,
    /// Problems with received samples.
    pub(super) problems: Problems,
}

/// Renders the page. One pass over the template, so a `{{` in a value stays plain text.
pub(super) fn html(facts: &LandingFacts<'_>) -> String {
    let mut html = String::with_capacity(TEMPLATE.len() + 512);
    let mut rest = TEMPLATE;
    while let Some((before, placeholder)) = rest.split_once("{{") {
        let closed = placeholder.split_once("}}");
        debug_assert!(closed.is_some(), "the template closes every placeholder");
        let (name, after) = closed.unwrap_or((placeholder, ""));
        html.push_str(before);
        html.push_str(&value_of(name, facts));
        rest = after;
    }
    html.push_str(rest);
    html
}

fn value_of(placeholder: &str, facts: &LandingFacts<'_>) -> String {
    match placeholder {
        "version" => env!("CARGO_PKG_VERSION").to_owned(),
        "path" => escape(facts.telemetry_path),
        "state" if facts.ready => r#"<span class="state ready">ready</span>"#.to_owned(),
        "state" => r#"<span class="state waiting">not ready</span>"#.to_owned(),
        "scrape" => escape(&scrape_config(facts)),
        "send" => facts
            .sample_command
            .map(|command| format!("<section>\n<h2>Send a sample</h2>\n<pre>{}</pre>\n</section>\n", escape(command)))
            .unwrap_or_default(),
        "problems" => problems(&facts.problems),
        unknown => {
            debug_assert!(false, "the template has an unknown placeholder: {unknown}");
            String::new()
        }
    }
}

/// One section for each kind of problem that exists.
fn problems(problems: &Problems) -> String {
    let mut html = String::new();
    for (class, title, lines, path) in [
        ("trouble", "Rejected input", &problems.rejections, "/api/v1/rejections"),
        ("trouble", "Limits hit", &problems.limits, "/api/v1/cardinality"),
        ("trouble", "Conflicting names", &problems.conflicts, "/api/v1/conflicts"),
        ("names", "Unmapped names", &problems.unmapped, "/api/v1/unmapped"),
    ] {
        if !lines.is_empty() {
            let items: String = lines.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
            html.push_str(&format!(
                "<section class=\"{class}\">\n<h2>{title}</h2>\n{items}<p><a href=\"{path}\">{path}</a></p>\n</section>\n"
            ));
        }
    }
    if problems.more > 0 {
        html.push_str(&format!("<p class=\"more\">and {} more</p>\n", problems.more));
    }
    html
}

/// The scrape configuration for prometheus.yml.
fn scrape_config(facts: &LandingFacts<'_>) -> String {
    let target = facts.address.map_or_else(|| "localhost:9102".to_owned(), |address| address.to_string());
    let path = match facts.telemetry_path {
        "/metrics" => String::new(),
        path => format!("    metrics_path: {path}\n"),
    };
    format!("scrape_configs:\n  - job_name: statsd\n{path}    static_configs:\n      - targets: [\"{target}\"]")
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Control and bidirectional characters from senders must not change how the page is displayed.
            c if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
                escaped.push(if c == '\n' { c } else { '\u{fffd}' });
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: LandingFacts<'static> = LandingFacts {
        telemetry_path: "/metrics",
        ready: true,
        sample_command: None,
        address: None,
        problems: Problems { rejections: Vec::new(), limits: Vec::new(), conflicts: Vec::new(), unmapped: Vec::new(), more: 0 },
    };

    #[test]
    fn every_placeholder_is_replaced_and_values_are_escaped() {
        let html = html(&LandingFacts {
            telemetry_path: "/m<\"{{version}}",
            sample_command: Some("echo 'a:1|c' > /dev/udp/h/9125 && x"),
            ..FACTS
        });
        assert!(html.contains("echo &#39;a:1|c&#39; &gt; /dev/udp/h/9125 &amp;&amp; x</pre>"));
        assert!(html.contains("<a href=\"/m&lt;&quot;{{version}}\">"), "a value is plain text");
        assert_eq!(html.matches("{{").count(), 3, "only those of the path, which appears three times");
        assert!(html.contains(env!("CARGO_PKG_VERSION")) && html.ends_with("</html>\n"));
    }

    #[test]
    fn the_page_omits_absent_values() {
        assert!(!html(&FACTS).contains("Send a sample"));
        assert!(!html(&FACTS).contains("metrics_path"));
        assert!(html(&FACTS).contains(">ready<") && html(&LandingFacts { ready: false, ..FACTS }).contains(">not ready<"));
        let elsewhere = LandingFacts { telemetry_path: "/m", address: Some(([127, 0, 0, 1], 81).into()), ..FACTS };
        assert!(html(&elsewhere).contains("metrics_path: /m\n") && html(&elsewhere).contains("127.0.0.1:81"));
    }

    #[test]
    fn problems_are_shown_and_never_become_markup() {
        assert!(!html(&FACTS).contains("Limits hit") && !html(&FACTS).contains("Conflicting names"));
        let limits = vec!["login: <script>alert('u1')</script>\u{202e}\u{1b}".to_owned()];
        let conflicts = vec!["up&{{path}}".to_owned()];
        let page = html(&LandingFacts {
            problems: Problems { rejections: vec!["<b>: 1".to_owned()], limits, conflicts, unmapped: vec!["<i>".to_owned()], more: 3 },
            ..FACTS
        });
        assert!(page.contains("<p>login: &lt;script&gt;alert(&#39;u1&#39;)&lt;/script&gt;\u{fffd}\u{fffd}</p>"));
        assert!(page.contains("<p>up&amp;{{path}}</p>") && page.contains("and 3 more"));
        assert!(page.contains("<p>&lt;b&gt;: 1</p>") && page.contains("<p>&lt;i&gt;</p>"));
        assert!(!page.contains("<script"));
    }
}
