#![allow(clippy::all, clippy::pedantic, clippy::print_stdout, clippy::unwrap_used, clippy::float_arithmetic)]
use std::{fs::File, io::BufReader};
fn peak() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM")).collect()
}
fn cpu() -> f64 {
    std::fs::read_to_string("/proc/self/schedstat").unwrap().split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
fn bare(path: &str) -> u64 {
    let mut r = quick_xml::Reader::from_reader(BufReader::with_capacity(128 * 1024, File::open(path).unwrap()));
    let mut b = Vec::new();
    let mut n = 0;
    loop {
        match r.read_event_into(&mut b).unwrap() {
            quick_xml::events::Event::Eof => break,
            _ => n += 1,
        }
        b.clear();
    }
    n
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    if a[1] == "json" {
        for f in &a[2..] {
            println!("{}", serde_json::to_string(&file_drop::inspect(File::open(f).unwrap(), f)).unwrap());
        }
        return;
    }
    let len = std::fs::metadata(&a[2]).unwrap().len() as f64 / 1e6;
    if a[1] == "inspect" {
        let i = file_drop::inspect(File::open(&a[2]).unwrap(), "x");
        println!("{:?} {}", i.refused, peak());
        return;
    }
    let rounds: usize = a.get(3).map_or(5, |n| n.parse().unwrap());
    let (mut mb, mut mi) = (f64::MAX, f64::MAX);
    for _ in 0..rounds {
        let t = cpu();
        bare(&a[2]);
        mb = mb.min(cpu() - t);
        let t = cpu();
        file_drop::inspect(File::open(&a[2]).unwrap(), "x");
        mi = mi.min(cpu() - t);
    }
    println!(
        "best of {rounds}: bare {:.0} MB/s, inspect {:.0} MB/s, ratio {:.2} {}",
        len / mb,
        len / mi,
        mb / mi,
        peak()
    );
}
