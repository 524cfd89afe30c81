"""One-shot programs of the conformance suite: every recipe whose program can be had here."""

from __future__ import annotations

import shlex
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
BY_NODE = "its programs run as those of the first TypeScript do"
TYPESCRIPT = {
    "tsx": {**PROGRAM, "child": BY_NODE, "background": BY_NODE},
    "tsc": {**PROGRAM, "child": BY_NODE, "background": BY_NODE, "nap": BY_NODE},
}
# Where a program takes a second to be built, one shows all that is asked of an output.
FACTS = {
    "typescript": "import { readFileSync } from 'node:fs'\n"
    "console.log(`héllo 中文 😀\\n${process.cwd()}\\n[${readFileSync(0, 'utf8')}]`)",
    "r": 'cat("héllo 中文 😀\\n", getwd(), "\\n[", readLines(file("stdin"), n = 1), "]\\n", sep = "")',
    "java": 'class A { public static void main(String[] a) throws Exception { System.out.println("héllo 中文 😀\\n" '
    '+ System.getProperty("user.dir") + "\\n[" + (System.in.read() < 0 ? "" : "?") + "]"); } }',
    "c": "#include <stdio.h>\n#include <unistd.h>\nint main(void) { char b[4096]; "
    'printf("héllo 中文 😀\\n%s\\n[%s]\\n", getcwd(b, 4096), getchar() == EOF ? "" : "?"); }',
    "cpp": "#include <cstdio>\n#include <unistd.h>\nint main() { char b[4096]; "
    'std::printf("héllo 中文 😀\\n%s\\n[%s]\\n", getcwd(b, 4096), std::getchar() == EOF ? "" : "?"); }',
    "rust": "fn main() { let mut s = String::new(); std::io::stdin().read_line(&mut s).unwrap(); "
    'println!("héllo 中文 😀\\n{}\\n[{}]", std::env::current_dir().unwrap().display(), s) }',
    "go": 'package main\nimport ("fmt"; "io"; "os")\nfunc main() { d, _ := os.Getwd(); b, _ := io.ReadAll(os.Stdin); '
    'fmt.Printf("héllo 中文 😀\\n%s\\n[%s]\\n", d, b) }',
}


def program(language: str) -> Callable[[Path], Runtime | None]:
    """Whatever this machine has for the language."""
    return lambda folder: program_runtime(language) if recipes.find(language) else None


def java(folder: Path) -> Runtime | None:
    """The machine's, without the compiler that only pays in programs which run for long: half the time is its."""
    found = shutil.which("java")
    if found is None or recipes.find("java") is None:
        return None
    quick = folder / "java"
    quick.write_text(f'#!/bin/sh\nexec {shlex.quote(found)} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "$@"\n')
    quick.chmod(0o755)
    return program_runtime("java", lambda name: str(quick) if name == "java" else shutil.which(name))


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
        busy="console.log('on'); while (true) {}",
        nap="console.log('on'); setTimeout((n: number) => {}, 60000)",
        child="import { execSync } from 'node:child_process'\n"
        "execSync('echo on; exec sleep 60', { stdio: 'inherit' }); console.log('never')",
        big="console.log('x'.repeat(5000000))",
        unicode=FACTS["typescript"],
        ask=FACTS["typescript"],
        cwd=FACTS["typescript"],
        background="import { spawn } from 'node:child_process'\n"
        "spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }).unref(); console.log('went on')",
        begins=1.0 if name == "tsc" else 0.4,
        exceptions=TYPESCRIPT.get(name, PROGRAM),
    )


PROGRAMS = [
    Subject(
        name="perl",
        runtime=program("perl"),
        say='$| = 1; print "hi\\n"; print STDERR "err\\n"',
        exit="exit 3",
        error='die "went wrong"',
        error_says="went wrong at",
        busy='$| = 1; print "on\\n"; while (1) {}',
        nap='$| = 1; print "on\\n"; sleep 60',
        child='system("echo on; exec sleep 60"); exit 1 if $?; print "never\\n"',
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
        busy='$stdout.sync = true; puts "on"; loop {}',
        nap='$stdout.sync = true; puts "on"; sleep 60',
        child='system("echo on; exec sleep 60") or exit 1; puts "never"',
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
        busy='<?php echo "on\\n"; while (true) {}',
        nap='<?php echo "on\\n"; sleep(60); exit(1);',
        child='<?php system("echo on; exec sleep 60", $status); if ($status) exit(1); echo "never\\n";',
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
        busy='io.stdout:setvbuf("no") print("on") while true do end',
        nap='assert(os.execute("echo on; exec sleep 60"))',
        child='assert(os.execute("(echo on; exec sleep 60) | cat; exit 1")) print("never")',
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
        busy='cat("on\\n"); while (TRUE) {}',
        nap='cat("on\\n"); Sys.sleep(60)',
        child='if (system("echo on; exec sleep 60") != 0) quit(status = 1); cat("never\\n")',
        big='cat(strrep("x", 5000000), "\\n", sep = "")',
        unicode=FACTS["r"],
        ask=FACTS["r"],
        cwd=FACTS["r"],
        background='system("sleep 60", wait = FALSE); cat("went on\\n")',
        exceptions=PROGRAM,
    ),
    Subject(
        name="java",
        runtime=java,
        say='class A { public static void main(String[] a) { System.out.println("hi"); System.err.println("err"); } }',
        exit="class A { public static void main(String[] a) { System.exit(3); } }",
        error='class A { public static void main(String[] a) { throw new RuntimeException("went wrong"); } }',
        error_says="went wrong",
        busy='class A { public static void main(String[] a) { System.out.println("on"); while (true) {} } }',
        big='class A { public static void main(String[] a) { System.out.println("x".repeat(5000000)); } }',
        unicode=FACTS["java"],
        ask=FACTS["java"],
        cwd=FACTS["java"],
        begins=1.0,
        exceptions={**BUILT, "empty": "a Java program has a class"},
    ),
    Subject(
        name="go",
        runtime=program("go"),
        say='package main\nimport ("fmt"; "os")\nfunc main() { fmt.Println("hi"); fmt.Fprintln(os.Stderr, "err") }',
        exit='package main\nimport "os"\nfunc main() { os.Exit(3) }',
        error='package main\nfunc main() { panic("went wrong") }',
        error_says="went wrong",
        busy='package main\nimport "fmt"\nfunc main() { fmt.Println("on"); for {} }',
        big='package main\nimport ("fmt"; "strings")\nfunc main() { fmt.Println(strings.Repeat("x", 5000000)) }',
        unicode=FACTS["go"],
        ask=FACTS["go"],
        cwd=FACTS["go"],
        begins=1.0,
        exceptions={**BUILT, "empty": "a Go program has a package"},
    ),
    Subject(
        name="c",
        runtime=program("c"),
        say='#include <stdio.h>\nint main(void) { puts("hi"); fflush(stdout); fputs("err\\n", stderr); }',
        exit="int main(void) { return 3; }",
        error="int main(void) { return nothing; }",
        error_says="main.c:1:",
        busy='#include <stdio.h>\nint main(void) { puts("on"); fflush(stdout); for (;;); }',
        nap='#include <unistd.h>\nint main(void) { write(1, "on\\n", 3); sleep(60); }',
        big='#include <stdio.h>\nint main(void) { for (int i = 0; i < 5000000; i++) putchar(120); puts(""); }',
        unicode=FACTS["c"],
        ask=FACTS["c"],
        cwd=FACTS["c"],
        begins=1.0,
        exceptions={**PROGRAM, "child": SHOWN, "background": SHOWN, "empty": "a C program has a main"},
    ),
    Subject(
        name="cpp",
        runtime=program("cpp"),
        say='#include <cstdio>\nint main() { std::puts("hi"); std::fflush(stdout); std::fputs("err\\n", stderr); }',
        exit="int main() { return 3; }",
        error="int main() { return nothing; }",
        error_says="main.cpp:1:",
        busy='#include <cstdio>\nint main() { std::puts("on"); std::fflush(stdout); '
        "volatile int n = 0; for (;;) n = n + 1; }",
        big="#include <cstdio>\n#include <string>\nint main() { std::puts(std::string(5000000, 'x').c_str()); }",
        unicode=FACTS["cpp"],
        ask=FACTS["cpp"],
        cwd=FACTS["cpp"],
        begins=1.0,
        exceptions={**BUILT, "empty": "a C++ program has a main"},
    ),
    Subject(
        name="rust",
        runtime=program("rust"),
        say='fn main() { println!("hi"); eprintln!("err"); }',
        exit="fn main() { std::process::exit(3) }",
        error='fn main() { panic!("went wrong") }',
        error_says="went wrong",
        busy='fn main() { println!("on"); loop { std::hint::spin_loop() } }',
        big='fn main() { println!("{}", "x".repeat(5000000)) }',
        unicode=FACTS["rust"],
        ask=FACTS["rust"],
        cwd=FACTS["rust"],
        begins=1.0,
        exceptions={**BUILT, "empty": "a Rust program has a main"},
    ),
    *map(_typescript, libraries.PROGRAMS),
]
