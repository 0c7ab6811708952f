//! Why intake is held, in the words of the pages and of `/readyz`: what, why, what to do.
//!
//! The problem of a database that failed is for the log: it may hold paths.

use super::overview::number;
use crate::pressure::Hold;

const MEBIBYTE: u64 = 1024 * 1024;

/// The sentence for people.
pub(super) fn of(hold: &Hold) -> String {
    match hold {
        Hold::Disk { free_bytes, resume_above_bytes } => format!(
            "Lettura delle fonti sospesa: il disco dell'archivio è quasi pieno ({} MiB liberi). Riprende da sola quando \
             se ne liberano {}. Nessun dato è perso; le consegne proseguono finché c'è posto per i loro esiti.",
            number(free_bytes / MEBIBYTE),
            number(resume_above_bytes / MEBIBYTE)
        ),
        Hold::Queue { open, resume_below } => format!(
            "Lettura delle fonti sospesa: {} consegne sono ancora in viaggio. Riprende da sola quando sono meno di {}. \
             Nessun dato è perso; le consegne proseguono.",
            number(*open),
            number(*resume_below)
        ),
        Hold::Storage { .. } => {
            "L'archivio non è più scrivibile: letture e consegne sono ferme, e ciò che era già scritto \
                                 si può consultare. Il programma sta per chiudersi e va riavviato; il motivo è nel \
                                 registro, di solito un disco pieno o guasto."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_says_how_much_is_left_and_how_much_is_needed() {
        let disk = of(&Hold::Disk { free_bytes: 12 * MEBIBYTE, resume_above_bytes: 2048 * MEBIBYTE });
        assert!(disk.contains("12 MiB liberi") && disk.contains("liberano 2.048"), "{disk}");
        let queue = of(&Hold::Queue { open: 1_000_001, resume_below: 800_000 });
        assert!(queue.contains("1.000.001") && queue.contains("800.000"), "{queue}");
    }

    #[test]
    fn the_problem_of_a_database_does_not_reach_the_page() {
        let storage = of(&Hold::Storage { problem: "/srv/segreto.db".to_owned() });
        assert!(storage.contains("non è più scrivibile") && !storage.contains("segreto"), "{storage}");
    }
}
