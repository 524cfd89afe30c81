"""One-shot programs of the conformance suite: every recipe whose program can be had here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from interpreter.kernels import recipes
from interpreter.kernels.runtimes import Runtime, program_runtime
from tests import libraries

from .subject import Subject

PROGRAM = {"state": "each execution is a program of its own", "death": "a program that ends is its normal end"}
SHOWN = "nothing that the other programs do not show"
BUILT = {**PROGRAM, "child": SHOWN, "background": SHOWN, "nap": SHOWN}


def program(language: str) -> Callable[[Path], Runtime | None]:
    """Whatever this machine has for the language."""
    return lambda folder: program_runtime(language) if recipes.find(language) else None


def typescript(name: str) -> Callable[[Path], Runtime | None]:
    """By one of its runtimes, as if the machine had no other."""

    def runtime(folder: Path) -> Runtime | None:
        path = libraries.ours(name)
        there = {name: path, "node": path if name == "node" else shutil.which("node")}
        return program_runtime("typescript", there.get) if path else None

    return runtime


def _typescript(name: str) -> Subject:
    return Subject(
        name=f"typescript ({name})",
        runtime=typescript(name),
        say="const word: string = 'hi'; console.log(word); console.error('err')",
        exit="const n: number = 3; process.exit(n)",
        error="const n: number = 1; throw new Error('went wrong')",
        error_says="went wrong",
        busy="while (true) {}",
        nap="setTimeout((n: number) => {}, 60000)",
        child="import { execSync } from 'node:child_process'\nexecSync('sleep 60'); console.log('never')",
        big="console.log('x'.repeat(5000000))",
        unicode="console.log('héllo 中文 😀')",
        ask="import { readFileSync } from 'node:fs'\nconsole.log('[' + readFileSync(0, 'utf8') + ']')",
        cwd="console.log(process.cwd())",
        background="import { spawn } from 'node:child_process'\n"
        "spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }).unref(); console.log('went on')",
        exceptions=PROGRAM,
    )


PROGRAMS = [
    Subject(
        name="perl",
        runtime=program("perl"),
        say='$| = 1; print "hi\\n"; print STDERR "err\\n"',
        exit="exit 3",
        error='die "went wrong"',
        error_says="went wrong at",
        busy="while (1) {}",
        nap="sleep 60",
        child='system("sleep 60"); exit 1 if $?; print "never\\n"',
        big='print "x" x 5000000, "\\n"',
        unicode='print "héllo 中文 😀\\n"',
        ask='my $line = <STDIN>; print "[", $line // "", "]\\n"',
        cwd='use Cwd; print getcwd(), "\\n"',
        background='system("sleep 60 &"); print "went on\\n"',
        exceptions=PROGRAM,
    ),
    Subject(
        name="ruby",
        runtime=program("ruby"),
        say='$stdout.sync = true; puts "hi"; $stderr.puts "err"',
        exit="exit 3",
        error='raise "went wrong"',
        error_says="went wrong",
        busy="loop {}",
        nap="sleep 60",
        child='system("sleep 60") or exit 1; puts "never"',
        big='puts "x" * 5_000_000',
        unicode='puts "héllo 中文 😀"',
        ask='puts "[#{$stdin.gets}]"',
        cwd="puts Dir.pwd",
        background='spawn("sleep 60"); puts "went on"',
        exceptions=PROGRAM,
    ),
    Subject(
        name="php",
        runtime=program("php"),
        say='<?php echo "hi\\n"; fwrite(STDERR, "err\\n");',
        exit="<?php exit(3);",
        error='<?php throw new Exception("went wrong");',
        error_says="went wrong",
        busy="<?php while (true) {}",
        nap="<?php sleep(60); exit(1);",
        child='<?php system("sleep 60", $status); if ($status) exit(1); echo "never\\n";',
        big='<?php echo str_repeat("x", 5000000), "\\n";',
        unicode='<?php echo "héllo 中文 😀\\n";',
        ask='<?php echo "[", fgets(STDIN), "]\\n";',
        cwd='<?php echo getcwd(), "\\n";',
        background='<?php exec("sleep 60 >/dev/null 2>&1 &"); echo "went on\\n";',
        exceptions=PROGRAM,
    ),
    Subject(
        name="lua",
        runtime=program("lua"),
        say='io.stdout:setvbuf("no") print("hi") io.stderr:write("err\\n")',
        exit="os.exit(3)",
        error='error("went wrong")',
        error_says="went wrong",
        busy="while true do end",
        nap='assert(os.execute("sleep 60"))',
        child='assert(os.execute("sleep 60 | cat; exit 1")) print("never")',
        big='print(string.rep("x", 5000000))',
        unicode='print("héllo 中文 😀")',
        ask='print("[" .. (io.read("l") or "") .. "]")',
        cwd='print(io.popen("pwd"):read("l"))',
        background='os.execute("sleep 60 &") print("went on")',
        exceptions=PROGRAM,
    ),
    Subject(
        name="r",
        runtime=program("r"),
        say='cat("hi\\n"); write("err", stderr())',
        exit="quit(status = 3)",
        error='stop("went wrong")',
        error_says="went wrong",
        busy="while (TRUE) {}",
        nap="Sys.sleep(60)",
        child='if (system("sleep 60") != 0) quit(status = 1); cat("never\\n")',
        big='cat(strrep("x", 5000000), "\\n", sep = "")',
        unicode='cat("héllo 中文 😀\\n")',
        ask='cat("[", readLines(file("stdin"), n = 1), "]\\n", sep = "")',
        cwd='cat(getwd(), "\\n", sep = "")',
        background='system("sleep 60", wait = FALSE); cat("went on\\n")',
        exceptions=PROGRAM,
    ),
    Subject(
        name="java",
        runtime=program("java"),
        say='class A { public static void main(String[] a) { System.out.println("hi"); System.err.println("err"); } }',
        exit="class A { public static void main(String[] a) { System.exit(3); } }",
        error='class A { public static void main(String[] a) { throw new RuntimeException("went wrong"); } }',
        error_says="went wrong",
        busy="class A { public static void main(String[] a) { while (true) {} } }",
        big='class A { public static void main(String[] a) { System.out.println("x".repeat(5000000)); } }',
        unicode='class A { public static void main(String[] a) { System.out.println("héllo 中文 😀"); } }',
        ask="class A { public static void main(String[] a) throws Exception "
        '{ System.out.println("[" + (System.in.read() < 0 ? "" : "?") + "]"); } }',
        cwd='class A { public static void main(String[] a) { System.out.println(System.getProperty("user.dir")); } }',
        exceptions={**BUILT, "empty": "a Java program has a class"},
    ),
    Subject(
        name="go",
        runtime=program("go"),
        say='package main\nimport ("fmt"; "os")\nfunc main() { fmt.Println("hi"); fmt.Fprintln(os.Stderr, "err") }',
        exit='package main\nimport "os"\nfunc main() { os.Exit(3) }',
        error='package main\nfunc main() { panic("went wrong") }',
        error_says="went wrong",
        busy="package main\nfunc main() { for {} }",
        big='package main\nimport ("fmt"; "strings")\nfunc main() { fmt.Println(strings.Repeat("x", 5000000)) }',
        unicode='package main\nimport "fmt"\nfunc main() { fmt.Println("héllo 中文 😀") }',
        ask='package main\nimport ("fmt"; "io"; "os")\n'
        'func main() { b, _ := io.ReadAll(os.Stdin); fmt.Printf("[%s]\\n", b) }',
        cwd='package main\nimport ("fmt"; "os")\nfunc main() { d, _ := os.Getwd(); fmt.Println(d) }',
        exceptions={**BUILT, "empty": "a Go program has a package"},
    ),
    Subject(
        name="c",
        runtime=program("c"),
        say='#include <stdio.h>\nint main(void) { puts("hi"); fflush(stdout); fputs("err\\n", stderr); }',
        exit="int main(void) { return 3; }",
        error="int main(void) { return nothing; }",
        error_says="main.c:1:",
        busy="int main(void) { for (;;); }",
        nap="#include <unistd.h>\nint main(void) { sleep(60); }",
        big='#include <stdio.h>\nint main(void) { for (int i = 0; i < 5000000; i++) putchar(120); puts(""); }',
        unicode='#include <stdio.h>\nint main(void) { puts("héllo 中文 😀"); }',
        ask='#include <stdio.h>\nint main(void) { printf("[%s]\\n", getchar() == EOF ? "" : "?"); }',
        cwd="#include <stdio.h>\n#include <unistd.h>\nint main(void) { char b[4096]; puts(getcwd(b, 4096)); }",
        exceptions={**PROGRAM, "child": SHOWN, "background": SHOWN, "empty": "a C program has a main"},
    ),
    Subject(
        name="cpp",
        runtime=program("cpp"),
        say='#include <cstdio>\nint main() { std::puts("hi"); std::fflush(stdout); std::fputs("err\\n", stderr); }',
        exit="int main() { return 3; }",
        error="int main() { return nothing; }",
        error_says="main.cpp:1:",
        busy="int main() { volatile int n = 0; for (;;) n = n + 1; }",
        big="#include <cstdio>\n#include <string>\nint main() { std::puts(std::string(5000000, 'x').c_str()); }",
        unicode='#include <cstdio>\nint main() { std::puts("héllo 中文 😀"); }',
        ask='#include <cstdio>\nint main() { std::printf("[%s]\\n", std::getchar() == EOF ? "" : "?"); }',
        cwd="#include <cstdio>\n#include <unistd.h>\nint main() { char b[4096]; std::puts(getcwd(b, 4096)); }",
        exceptions={**BUILT, "empty": "a C++ program has a main"},
    ),
    Subject(
        name="rust",
        runtime=program("rust"),
        say='fn main() { println!("hi"); eprintln!("err"); }',
        exit="fn main() { std::process::exit(3) }",
        error='fn main() { panic!("went wrong") }',
        error_says="went wrong",
        busy="fn main() { loop { std::hint::spin_loop() } }",
        big='fn main() { println!("{}", "x".repeat(5000000)) }',
        unicode='fn main() { println!("héllo 中文 😀") }',
        ask='fn main() { let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap(); println!("[{}]", s) }',
        cwd='fn main() { println!("{}", std::env::current_dir().unwrap().display()) }',
        exceptions={**BUILT, "empty": "a Rust program has a main"},
    ),
    *map(_typescript, libraries.PROGRAMS),
]
