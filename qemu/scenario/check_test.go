package scenario

import (
	"net"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// expectation is a document of expectations in which all hold for a healthy machine, and each way in which it can fail.
type expectation struct {
	text     string
	failures map[string]change // by the message, behind the file's name
}

// change makes an expectation fail: by a machine that is different, or by another word in the document.
type change struct {
	machine  func(*recorder)
	old, new string
}

func word(old, new string) change      { return change{old: old, new: new} }
func machine(f func(*recorder)) change { return change{machine: f} }
func output(script string, code int, text string) change {
	return machine(func(r *recorder) { r.outputs[script] = Output{Code: code, Text: text} })
}

func expectations() map[string]expectation {
	return map[string]expectation{
		"defects": {"defects: [^unit a]", map[string]change{
			`1:11: defects[0]: defects[0] is "unit a.service failed", want a match of "^unit b"`: word("unit a", "unit b"),
			`1:1: defects: 0 defects, want 1: `:                                                  machine(func(r *recorder) { r.state.Defects = nil }),
		}},
		"report": {"report:\n  stage: 2\n  attempt: 1\n  reason: next$\n  degraded: true\n  grown: true\n  problems: [no stage]\n  steps: {verify: done}", map[string]change{
			`2:3: report.stage: stage is 2, want 3: stage 2 is next`:                         word("stage: 2", "stage: 3"),
			`3:3: report.attempt: attempt is 1, want 0: stage 2 is next`:                     word("attempt: 1", "attempt: 0"),
			`4:3: report.reason: reason is "stage 2 is next", want a match of "proven$"`:     word("next$", "proven$"),
			`5:3: report.degraded: degraded is true, want false`:                             word("degraded: true", "degraded: false"),
			`6:3: report.grown: grown is true, want false`:                                   word("grown: true", "grown: false"),
			`7:14: report.problems[0]: problems[0] is "no stage 3", want a match of "other"`: word("no stage", "other"),
			`7:3: report.problems: 1 problems, want 0: no stage 3`:                           word("[no stage]", "[]"),
			`8:3: report.steps: step verify is done, want failed: `:                          word("verify: done", "verify: failed"),
			`8:3: report.steps: pkinit has no step frob`:                                     word("verify", "frob"),
			`1:1: report: pkinit has written no report: gone`:                                machine(func(r *recorder) { r.state.Report, r.state.NoReport = nil, "gone" }),
		}},
		"phases": {"phases: {handoff: 6s, agent: 20s, started: 90s}", map[string]change{
			`1:1: phases: handoff is reached after 5.0 s, want 4s`:  word("handoff: 6s", "handoff: 4s"),
			`1:1: phases: agent is reached after 10.0 s, want 2s`:   word("20s", "2s"),
			`1:1: phases: started is reached after 60.0 s, want 9s`: word("90s", "9s"),
		}},
		"units": {"units:\n  a.service:\n    active: active\n    sub: running\n    load: loaded\n    result: success\n    file-state: enabled\n" +
			"    path: /usr/lib/systemd/system/a.service\n    need-reload: false\n  b.service: active", map[string]change{
			`3:5: units["a.service"].active: a.service: ActiveState is "active", want "failed"`:                                                  word("active: active", "active: failed"),
			`4:5: units["a.service"].sub: a.service: SubState is "running", want "exited"`:                                                       word("running", "exited"),
			`5:5: units["a.service"].load: a.service: LoadState is "loaded", want "masked"`:                                                      word("loaded", "masked"),
			`6:5: units["a.service"].result: a.service: Result is "success", want "watchdog"`:                                                    word("success", "watchdog"),
			`7:5: units["a.service"].file-state: a.service: UnitFileState is "enabled", want "static"`:                                           word("enabled", "static"),
			`8:5: units["a.service"].path: a.service: FragmentPath is "/usr/lib/systemd/system/a.service", want "/etc/systemd/system/a.service"`: word("/usr/lib/", "/etc/"),
			`9:5: units["a.service"].need-reload: a.service: NeedDaemonReload is false, want true`:                                               word("need-reload: false", "need-reload: true"),
			`10:3: units["b.service"]: b.service: ActiveState is "active", want "inactive"`:                                                      word("b.service: active", "b.service: inactive"),
			`2:3: units["a.service"]: systemctl show a.service: exit code 1: "Failed to connect to bus"`:                                         output("systemctl show", 1, "Failed to connect to bus"),
		}},
		"failed units": {"failed-units: [a.mount, b.service]", map[string]change{
			`1:1: failed-units: failed units are [a.mount b.service], want [a.mount]`: word(", b.service", ""),
			`1:1: failed-units: failed units are [], want [a.mount b.service]`:        output("systemctl list-units", 0, ""),
		}},
		"mounts": {"mounts:\n  /usr: {type: overlay, source: pkinit:/usr, options: [ro], lowerdirs: [/stage, /sysroot/usr], upperdir: /up}\n" +
			"  /run/stage: {root: /var/stages/1}\n  /none: {absent: true}", map[string]change{
			`2:10: mounts["/usr"].type: type is "overlay", want "ext4"`:                                                                                  word("type: overlay", "type: ext4"),
			`2:25: mounts["/usr"].source: source is "pkinit:/usr", want "other"`:                                                                         word("pkinit:/usr", "other"),
			`2:56: mounts["/usr"].options[0]: options are ro,nodev and rw,lowerdir=/stage:/sysroot/usr,upperdir=/up,workdir=/work, want suid among them`: word("[ro]", "[suid]"),
			`2:61: mounts["/usr"].lowerdirs: lowerdirs are /stage:/sysroot/usr, want /sysroot/usr`:                                                       word("/stage, ", ""),
			`2:96: mounts["/usr"].upperdir: upperdir is "/up", want "/down"`:                                                                             word("/up}", "/down}"),
			`3:16: mounts["/run/stage"].root: root is "/var/stages/1", want "/var/stages/2"`:                                                             word("stages/1", "stages/2"),
			`4:3: mounts["/none"]: /none is not a mount point`:                                                                                           word("absent: true", "absent: false"),
			`2:10: mounts["/usr"].absent: /usr is a mount of pkinit:/usr, want none`:                                                                     word("type: overlay", "absent: true"),
		}},
		"files": {"files:\n  /file: {kind: file, mode: '0644', owner: root:root, content: \"one\\ntwo\\n\", matches: [^two$], lacks: [three], same-as: /other}\n" +
			"  /link: {kind: symlink, target: target}\n  /absent: absent", map[string]change{
			`2:11: files["/file"].kind: kind is "file", want "directory"`:                 word("kind: file", "kind: directory"),
			`2:23: files["/file"].mode: mode is 644, want 0600`:                           word("0644", "0600"),
			`2:37: files["/file"].owner: owner is "root:root", want "pi:pi"`:              word("owner: root:root", "owner: pi:pi"),
			`2:55: files["/file"].content: content is "one\ntwo\n", want "one\n"`:         word(`one\ntwo`, "one"),
			`2:88: files["/file"].matches[0]: /file has no match of "^tw$": "one\ntwo\n"`: word("^two$", "^tw$"),
			`2:104: files["/file"].lacks[0]: /file has a match of "one": "one"`:           word("three", "one"),
			`2:112: files["/file"].same-as: /file differs from /other: "differ: line 1"`:  output("cmp", 1, "differ: line 1"),
			`3:26: files["/link"].target: target is "target", want "aim"`:                 word("target: target", "target: aim"),
			`4:3: files["/absent"]: /absent exists, want none`:                            output("stat -c '%F|%a|%U:%G' -- '/absent'", 0, "directory|755|root:root"),
			`2:3: files["/file"]: /file does not exist`:                                   output("stat -c '%F|%a|%U:%G' -- '/file'", 1, ""),
			`2:3: files["/file"]: /file cannot be read: "cat: I/O error"`:                 output("cat -- '/file'", 1, "cat: I/O error"),
		}},
		"ports": {"ports:\n  22: {answer: ^SSH-2.0-}\n  80: {get: /x, status: 200, body: come}\n  81: open\n  9: closed", map[string]change{
			`2:3: ports.22: port 22: port answers with "SSH-2.0-OpenSSH_10", want a match of "^SSH-1"`: word("SSH-2.0-", "SSH-1"),
			`2:3: ports.22: port 22: port sent no line: EOF`:                                           machine(func(r *recorder) { r.serve[22] = respond(false, "") }),
			`3:3: ports.80: port 80: GET /x: status is 200, want 404`:                                  word("status: 200", "status: 404"),
			`3:3: ports.80: port 80: GET /x: body has no match of "goodbye": "welcome"`:                word("come}", "goodbye}"),
			`4:3: ports.81: port 81: guest closed the connection: EOF`:                                 machine(func(r *recorder) { r.serve[81] = func(net.Conn) {} }),
			`5:3: ports.9: port 9 is open, want closed`:                                                machine(func(r *recorder) { r.serve[9] = r.serve[81] }),
			`3:3: ports.80: port 80: Get "http://localhost:80/x": connection refused`:                  machine(func(r *recorder) { r.serve[80] = nil }),
		}},
		"containers": {"containers:\n  main: {state: healthy, image: ^example.org/, env: ^STAGE=2$}\n  other: running\n  gone: absent", map[string]change{
			`2:10: containers.main.state: container main is "healthy", want "unhealthy"`:                                word("state: healthy", "state: unhealthy"),
			`2:26: containers.main.image: container main: image is "example.org/main:1", want a match of "^localhost/"`: word("^example.org/", "^localhost/"),
			`2:48: containers.main.env: container main: environment is "A=b\nSTAGE=2", want a match of "^STAGE=3$"`:     word("STAGE=2", "STAGE=3"),
			`3:3: containers.other: container other is "running", want "exited"`:                                        word("other: running", "other: exited"),
			`4:3: containers.gone: docker inspect gone: exit code 1: "Error: No such container: gone"`:                  word("gone: absent", "gone: running"),
			`3:3: containers.other: container other exists: "running|healthy|example.org/main:1\nA=b\nSTAGE=2"`:         word("other: running", "other: absent"),
		}},
		"commands": {"commands:\n  - {run: echo hello, exit: 0, output: hello, matches: [^hel], lacks: [error]}\n  - echo hello", map[string]change{
			`2:5: commands[0]: exit code is 0, want 3: "hello"`:                   word("exit: 0", "exit: 3"),
			`2:32: commands[0].output: output is "hello", want "bye"`:             word("output: hello", "output: bye"),
			`2:57: commands[0].matches[0]: output has no match of "^lo": "hello"`: word("^hel", "^lo"),
			`2:72: commands[0].lacks[0]: output has a match of "ell": "hello"`:    word("error", "ell"),
			`3:5: commands[1]: exit code is 7, want 0: "hello"`:                   word("- echo hello", "- 'echo hello # fails'"),
		}},
		"journal": {"journal: {matches: [Started a], lacks: [Oops]}", map[string]change{
			`1:21: journal.matches[0]: journal has no match of "Started b": "systemd[1]: Started a.service\nkernel: all fine"`: word("Started a", "Started b"),
			`1:41: journal.lacks[0]: journal has a match of "all fine": "kernel: all fine"`:                                    word("Oops", "all fine"),
			`1:1: journal: journalctl: exit code 1: "No journal files were found."`:                                            output("journalctl", 1, "No journal files were found."),
		}},
		"console": {"console: {matches: [verify], lacks: [panic]}", map[string]change{
			`1:21: console.matches[0]: console has no match of "grow": "pkinit: verify: done\n"`: word("[verify]", "[grow]"),
			`1:38: console.lacks[0]: console has a match of "done": "pkinit: verify: done"`:      word("panic", "done"),
		}},
	}
}

// checkText returns the failures of a document, without the file's name.
func checkText(t *testing.T, text string, m *recorder) []string {
	t.Helper()
	s, err := ParseExpectations("f.yml", []byte(text))
	require.NoError(t, err)
	failures, err := s.Steps[1].Expect.check(t.Context(), m, s.places)
	require.NoError(t, err)
	var list []string
	for _, f := range failures {
		list = append(list, strings.TrimPrefix(f.String(), "f.yml:"))
	}
	return list
}

func TestExpectations(t *testing.T) {
	for name, e := range expectations() {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, checkText(t, e.text, healthy()))
			for message, c := range e.failures {
				m := healthy()
				m.outputs["echo hello # fails"] = Output{Code: 7, Text: "hello"}
				if c.machine != nil {
					c.machine(m)
				}
				require.Contains(t, e.text, c.old)
				failures := checkText(t, strings.Replace(e.text, c.old, c.new, 1), m)
				require.Contains(t, failures, message)
			}
		})
	}
}

// Every key of every kind of expectation must have a failure in the table above.
func TestEveryExpectationCanFail(t *testing.T) {
	failing := ""
	index := regexp.MustCompile(`\["[^"]*"\]|\[[0-9]+\]|\.(main|other|gone|[0-9]+)\b`)
	for _, e := range expectations() {
		for message := range e.failures {
			path := strings.SplitN(message, ": ", 3)[1]
			failing += " " + index.ReplaceAllString(path, "") + " "
		}
	}
	// These say how another key is checked.
	exempt := map[string]bool{"within": true, "ports.state": true, "ports.answer": true, "ports.get": true, "ports.status": true,
		"ports.body": true, "commands.run": true, "commands.exit": true, "commands.limit": true}
	for _, path := range leaves(reflect.TypeFor[Expectations](), "") {
		if !exempt[path] {
			require.Contains(t, failing, " "+path+" ", "no failure of this expectation is tested")
		}
	}
}

// leaves lists the keys of a type that holds no further ones.
func leaves(t reflect.Type, path string) (all []string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[Pattern]() {
		return []string{path}
	}
	for i := range t.NumField() {
		if name := t.Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			all = append(all, leaves(t.Field(i).Type, strings.TrimPrefix(path+"."+name, "."))...)
		}
	}
	return all
}

// With a time within which they have to hold, expectations are checked again.
func TestExpectWithin(t *testing.T) {
	m := healthy()
	m.outputs["systemctl show"] = Output{Text: "ActiveState=activating"}
	m.asleep = func(r *recorder) {
		if r.now > time.Minute+20*time.Second {
			r.outputs["systemctl show"] = Output{Text: "ActiveState=active"}
		}
	}
	require.Empty(t, checkText(t, "units: {a.service: active}\nwithin: 30s", m))
	require.Greater(t, m.now, 80*time.Second)

	m = healthy()
	require.Len(t, checkText(t, "units: {a.service: failed}\nwithin: 30s", m), 1)
	require.InDelta(t, 90, m.now.Seconds(), 4)
}

func TestExpectErrors(t *testing.T) {
	for _, text := range []string{"units: {a: active}", "defects: []", "commands: [x]", "journal: {matches: [x]}", "mounts: {/: {type: ext4}}"} {
		s, err := ParseExpectations("f.yml", []byte(text))
		require.NoError(t, err)
		for _, fails := range []string{"run", "inspect"} {
			m := healthy()
			m.fails = fails
			_, err = s.Steps[1].Expect.check(t.Context(), m, s.places)
			if strings.HasPrefix(text, "defects") == (fails == "inspect") {
				require.EqualError(t, err, "injected", text)
			}
		}
	}
}
