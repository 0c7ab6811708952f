//! What a strict reader refuses, and what it must not: seen from outside, through the inspection.

use std::io::Read;

use file_drop::{Counts, Inspection, inspect};
use proptest::prelude::*;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<l:pubblicazione xmlns:l=\"legge190_1_0\" a='b'>\n<metadata><annoRiferimento>2013</annoRiferimento></metadata>\n<data>\n";
const LOTTO: &str = "<lotto><cig>5044003AF1</cig><oggetto>R&amp;D &#38; <![CDATA[a < b]]><!-- > --> fine</oggetto><partecipanti/></lotto>\n";
const TAIL: &str = "</data>\n</l:pubblicazione>\n";

fn dataset(lots: &str) -> String {
    format!("{HEAD}{lots}{TAIL}")
}

#[track_caller]
fn check(bytes: impl AsRef<[u8]>, code: &str, line: u64) {
    let refused = inspect(bytes.as_ref(), "a.xml").refused.expect("refused");
    assert_eq!((refused.code.as_str(), refused.line), (code, Some(line)), "{}", refused.message);
}

#[track_caller]
fn accepted(bytes: impl AsRef<[u8]>) -> Inspection {
    let inspection = inspect(bytes.as_ref(), "a.xml");
    assert_eq!(inspection.refused, None);
    inspection
}

fn lots(inspection: &Inspection) -> u64 {
    match &inspection.counts {
        Counts::Lotti(counts) => counts.lotti,
        other => panic!("a dataset was expected: {other:?}"),
    }
}

#[test]
fn a_document_type_is_never_read() {
    check(format!("<!DOCTYPE l:pubblicazione SYSTEM 'http://example.org/x.dtd'>\n{}", dataset(LOTTO)), "doctype", 1);
    let laughs = "<?xml version='1.0'?>\n<!DOCTYPE a [\n<!ENTITY b 'ha'>\n<!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>\n]>\n<a>&c;</a>";
    check(laughs, "doctype", 2);
    check("<!DOCTYPE a [ <!ENTITY b SYSTEM 'file:///etc/passwd'> ]><a>&b;</a>", "doctype", 1);
    check("<?xml version='1.0'?><!DOCTYPE a [", "doctype", 1);
}

#[test]
fn only_the_entities_of_xml_are_known() {
    check(dataset("<lotto>\n<oggetto>citt&egrave;</oggetto></lotto>"), "unknown_entity", 6);
    check(dataset("<lotto a='&egrave;'/>"), "unknown_entity", 5);
    check(dataset("<lotto><oggetto>R&D </oggetto></lotto>"), "malformed_xml", 5);
    for reference in ["&#0;", "&#x1F;", "&#xD800;", "&#x110000;", "&#+65;", "&#;", "&#xFFFE;"] {
        check(dataset(&format!("<lotto><oggetto>{reference}</oggetto></lotto>")), "forbidden_character", 5);
    }
}

#[test]
fn forbidden_characters_are_refused_with_their_line() {
    check(dataset("\n<lotto><oggetto>a\0b</oggetto></lotto>"), "forbidden_character", 6);
    check(dataset("<lotto><oggetto>a\u{b}b</oggetto></lotto>"), "forbidden_character", 5);
    check(dataset("<lotto><oggetto>a\u{ffff}b</oggetto></lotto>"), "forbidden_character", 5);
    check(format!("{}\0", dataset(LOTTO)), "forbidden_character", 8);
}

#[test]
fn there_is_one_root_and_nothing_around_it() {
    check(format!("{}<b/>", dataset(LOTTO)), "second_root", 8);
    check(format!("{}\n{}", dataset(LOTTO), dataset(LOTTO)), "malformed_xml", 9);
    check(format!("{} tail", dataset(LOTTO)), "text_outside_root", 7);
    check(format!("{}&amp;", dataset(LOTTO)), "text_outside_root", 8);
    check(format!("{}<![CDATA[]]>", dataset(LOTTO)), "text_outside_root", 8);
    check("<!-- nothing -->\n", "no_root", 2);
    accepted(format!("{}\n<!-- tail -->\n<?tail?>\n ", dataset(LOTTO)));
}

#[test]
fn the_root_is_known_by_its_namespace_and_not_by_its_prefix() {
    for root in ["x:pubblicazione xmlns:x", "pubblicazione xmlns"] {
        let name = root.split(' ').next().unwrap();
        accepted(format!("<{root}='legge190_1_0'><data/></{name}>"));
    }
    check("<legge190:pubblicazione xmlns:legge190='altro'><data/></legge190:pubblicazione>", "wrong_namespace", 1);
    check("<legge190:pubblicazione><data/></legge190:pubblicazione>", "wrong_namespace", 1);
    check("<pubblicazione><data/></pubblicazione>", "wrong_namespace", 1);
    check("<indici xmlns='legge190_1_0'><indice/></indici>", "wrong_namespace", 1);
    check("<fattura/>", "wrong_root", 1);
    check("<?xml version='1.0'?>\n<html><body>Request Rejected</body></html>", "html_page", 2);
}

#[test]
fn only_the_published_envelope_is_accepted() {
    let root = |inside: &str| format!("<l:pubblicazione xmlns:l='legge190_1_0'>{inside}</l:pubblicazione>");
    check(root("<data><Lotto/></data>"), "unexpected_element", 1);
    check(root("<lotto/>"), "unexpected_element", 1);
    check(root("<data/><data/>"), "unexpected_element", 1);
    check(root("<data/><metadata/>"), "unexpected_element", 1);
    check(root("<data><lotto xmlns='altro'/></data>"), "unexpected_element", 1);
    check(root("<data>nessuno</data>"), "unexpected_text", 1);
    let refused = inspect(root("<metadata/>").as_bytes(), "a.xml").refused.unwrap();
    assert_eq!(refused.code, "missing_data");
}

#[test]
fn tags_must_match() {
    check(dataset("<lotto>\n<cig>5044003AF1</gic></lotto>"), "mismatched_tag", 6);
    check(format!("{}</data>", dataset(LOTTO)), "mismatched_tag", 8);
    check(dataset("<lotto><cig>5044003AF1</cig a='b'></lotto>"), "mismatched_tag", 5);
    accepted(dataset("<lotto ><cig\n>5044003AF1</cig\n></lotto >"));
}

#[test]
fn what_is_not_xml_inside_xml_is_refused() {
    for wrong in [
        "<1a/>",
        "< a/>",
        "<>",
        "<a b/>",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<!a>",
        "<?xml version='1.0'?>",
    ] {
        check(dataset(&format!("<lotto>{wrong}</lotto>")), "malformed_xml", 5);
    }
}

#[test]
fn depth_attributes_and_length_have_limits() {
    let deep = |levels: usize| dataset(&format!("<lotto>{}{}</lotto>", "<a>".repeat(levels), "</a>".repeat(levels)));
    accepted(deep(61));
    check(deep(62), "too_deep", 5);
    check(dataset(&"<a>".repeat(200_000)), "unexpected_element", 5);
    check(dataset(&format!("<lotto>{}", "<a>".repeat(200_000))), "too_deep", 5);
    let wide = |attributes: usize| {
        let attributes: Vec<_> = (0..attributes).map(|n| format!("a{n}='{n}'")).collect();
        dataset(&format!("<lotto {}/>", attributes.join(" ")))
    };
    accepted(wide(256));
    check(wide(257), "too_many_attributes", 5);
    let long = |length: usize| "x>".repeat(length / 2);
    accepted(dataset(&format!("<lotto><oggetto>{}</oggetto></lotto>", long(1_000_000))));
    accepted(dataset(&format!("<lotto><!--{}--></lotto>", long(1_000_000))));
    accepted(dataset(&format!("<lotto><oggetto><![CDATA[{}]]></oggetto></lotto>", long(1_000_000))));
    check(dataset(&format!("<lotto><oggetto>{}</oggetto></lotto>", long(1_100_000))), "token_too_long", 5);
    check(dataset(&format!("<lotto><oggetto>{}</oggetto></lotto>", "x".repeat(5_000_000))), "token_too_long", 5);
    check(dataset(&format!("<lotto><!--{}--></lotto>", long(3_000_000))), "token_too_long", 5);
    check(dataset(&format!("<lotto><oggetto>{}</oggetto></lotto>", "&amp;".repeat(1_100_000))), "token_too_long", 5);
    check(dataset(&format!("<lotto>{}", "<a>x</a>".repeat(700_000))), "lotto_too_long", 5);
}

#[test]
fn a_cut_document_is_never_read_to_its_end() {
    let whole = dataset(&LOTTO.repeat(2));
    let end = whole.trim_end().len();
    for length in 0..whole.len() {
        let inspection = inspect(&whole.as_bytes()[..length], "a.xml");
        assert_eq!(inspection.refused.is_none(), length >= end, "at byte {length}: {:?}", inspection.refused);
    }
    check(&whole[..end - 5], "truncated", 8);
    // What stood before the cut was read.
    assert_eq!(lots(&inspect(&whole.as_bytes()[..end - 5], "a.xml")), 2);
}

#[test]
fn texts_are_joined_across_references_sections_and_comments() {
    let inspection = accepted(dataset("<lotto><cig>50<!-- a -->440<![CDATA[03]]>&#65;F&#x31;</cig></lotto>"));
    assert!(!inspection.findings.contains_key(&canonical::Rule::R04), "{:?}", inspection.findings);
}

fn utf16(text: &str, to_bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(to_bytes).collect()
}

/// The bytes of a text whose characters are all in ISO-8859-1.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).expect("in ISO-8859-1")).collect()
}

#[test]
fn the_declared_encodings_are_decoded() {
    let accented = dataset(&LOTTO.replace("fine", "perché"));
    let expected = accepted(&accented);
    assert_eq!(accepted(format!("\u{feff}{accented}")), expected);
    assert_eq!(accepted(utf16(&accented, u16::to_le_bytes)), expected);
    assert_eq!(accepted(utf16(&accented, u16::to_be_bytes)), expected);
    for encoding in ["ISO-8859-1", "iso-8859-15", "windows-1252", "latin1"] {
        assert_eq!(accepted(latin1(&accented.replace("UTF-8", encoding))), expected, "{encoding}");
    }
    check_encoding(&accented.replace("UTF-8", "Shift_JIS"), "unsupported_encoding");
    check_encoding(&accented.replace("UTF-8", "nonsense"), "unsupported_encoding");
    check_encoding(&accented.replace("UTF-8", "UTF-16"), "encoding_mismatch");
}

#[track_caller]
fn check_encoding(text: &str, code: &str) {
    let refused = inspect(text.as_bytes(), "a.xml").refused.expect("refused");
    assert_eq!((refused.code.as_str(), refused.line), (code, None));
}

#[test]
fn malformed_utf16_is_refused_where_it_breaks() {
    let mut bytes = utf16(&dataset(LOTTO), u16::to_le_bytes);
    let place = bytes.len() - 40;
    bytes.splice(place..place + 2, [0x00, 0xd8]);
    check(bytes, "malformed_encoding", 6);
}

#[test]
fn bytes_of_windows_1252_among_utf8_are_read_and_told() {
    let mut bytes = dataset(&LOTTO.repeat(2)).into_bytes();
    let place = bytes.windows(4).position(|bytes| bytes == b"fine").unwrap();
    bytes[place + 1] = 0x92;
    let inspection = accepted(bytes);
    assert_eq!(lots(&inspection), 2);
    assert_eq!(inspection.findings[&canonical::Rule::N06], 1);
}

#[test]
fn unknown_elements_inside_a_lot_are_told_and_not_fatal() {
    let inspection = accepted(dataset(
        "<lotto><cig>5044003AF1</cig><cig>a</cig><x:y><z>1</z></x:y>a<oggetto>b<i>c</i></oggetto></lotto>",
    ));
    assert_eq!((lots(&inspection), inspection.findings[&canonical::Rule::N07]), (1, 4));
}

#[test]
fn the_version_is_that_of_the_tag_or_else_of_the_codes() {
    let with_code = |code: &str| dataset(&format!("<lotto><sceltaContraente>{code}-X</sceltaContraente></lotto>"));
    assert_eq!(accepted(with_code("23")).version, "1.1");
    assert_eq!(accepted(with_code("29")).version, "1.1");
    assert_eq!(accepted(with_code("39")).version, "1.3");
    let tag = "<dataPubbicazioneDataset>2014-01-31</dataPubbicazioneDataset>";
    assert_eq!(accepted(with_code("39").replace("<metadata>", &format!("<metadata>{tag}"))).version, "1.0");
}

#[test]
fn an_inspection_is_written_as_promised() {
    let json = serde_json::to_value(inspect(&b"PK\x03\x04"[..], "a.zip")).unwrap();
    assert_eq!(json["counts"], serde_json::json!({}));
    assert_eq!(json["refused"]["code"], "zip_archive");
    assert_eq!(json["refused"]["line"], serde_json::Value::Null);
    let json = serde_json::to_value(accepted(dataset(LOTTO))).unwrap();
    let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.len(), 7);
    for name in ["file", "format", "version", "counts", "findings", "first", "refused"] {
        assert!(names.contains(&name), "{name}");
    }
    assert_eq!(json["counts"]["cig"], serde_json::json!({"cig_simog": 1}));
    assert_eq!(json["findings"]["N08"], 5);
    assert_eq!(json["refused"], serde_json::Value::Null);
}

#[test]
fn the_first_finding_of_each_rule_says_its_line_and_its_cause() {
    let lines = "{\"schema_version\":1,\"kind\":\"lotto\",\"body\":{\"cig\":\"5044003AF1\"}}\n\n\
                 {\"schema_version\":1,\"kind\":\"lotto\",\"body\":{}}\nciao\n";
    let json = serde_json::to_value(accepted(lines)).unwrap();
    assert_eq!(json["findings"]["N03"], 2);
    assert_eq!(json["first"]["N03"]["line"], 3, "{json}");
    let why = json["first"]["N03"]["set_aside"].as_str().unwrap();
    assert!(why.contains("the field cig is missing, see column"), "{why}");

    let lotto = "<lotto>\n<cig>224086DC2A</cig></lotto>";
    let json = serde_json::to_value(accepted(dataset(lotto))).unwrap();
    let first = &json["first"]["R04"];
    assert_eq!((first["field"].as_str(), first["received"].as_str()), (Some("cig"), Some("224086DC2A")), "{json}");
    assert!(first["line"].as_u64().is_some_and(|line| line > 0), "{first}");
}

/// A source that gives a few bytes at a time.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(buffer.len());
        (&mut self.0).take(length as u64).read(buffer)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        inspect(bytes.as_slice(), "a");
        inspect([b"<", bytes.as_slice()].concat().as_slice(), "a");
        inspect([b"{", bytes.as_slice()].concat().as_slice(), "a");
        inspect([b"\xff\xfe<\x00", bytes.as_slice()].concat().as_slice(), "a");
        inspect([HEAD.as_bytes(), bytes.as_slice()].concat().as_slice(), "a");
    }

    #[test]
    fn pieces_of_markup_are_read_without_a_panic(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "<", ">", "/", "&", ";", "#", "\"", "'", "=", "!", "?", "[", "]", "-", "--", "<![CDATA[", "]]>", "<!--", "-->",
            "<lotto>", "</lotto>", "<cig>", "</cig>", "xmlns", ":", " ", "\n", "à", "\u{feff}", "<partecipanti>", "amp",
        ]), 0..40),
    ) {
        inspect(format!("{HEAD}{}", pieces.concat()).as_bytes(), "a");
        inspect(pieces.concat().as_bytes(), "a");
    }

    #[test]
    fn a_damaged_document_is_read_without_a_panic_and_the_same_in_any_pieces(
        place in 0_usize..700, byte in any::<u8>(), piece in 1_usize..50,
    ) {
        let mut bytes = dataset(&LOTTO.repeat(4)).into_bytes();
        let place = place % bytes.len();
        bytes[place] = byte;
        let whole = inspect(bytes.as_slice(), "a");
        prop_assert_eq!(inspect(Trickle(&bytes, piece), "a"), whole);
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_long_document_is_read_the_same_in_any_pieces(piece in 1_000_usize..100_000, padding in 0_usize..2_000) {
        let lotto = format!("<lotto><!--{}--><cig>5044003AF1</cig><oggetto>è &amp; <![CDATA[>>]]></oggetto></lotto>\n", ">".repeat(padding));
        let text = dataset(&lotto.repeat(600));
        let whole = inspect(text.as_bytes(), "a");
        prop_assert_eq!(whole.refused.as_ref(), None);
        prop_assert_eq!(lots(&whole), 600);
        prop_assert_eq!(inspect(Trickle(text.as_bytes(), piece), "a"), whole);
    }
}
