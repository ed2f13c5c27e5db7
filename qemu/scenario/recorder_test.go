package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// recorder is a Device and a Card that records calls and gives prepared answers. It is on from the start of a boot on.
type recorder struct {
	calls   []string
	fails   string // call that fails, by its beginning
	outputs map[string]Output
	state   *State
	console string
	ends    string
	serve   map[int]func(net.Conn) // servers, by port
	now     time.Duration
	asleep  func(*recorder) // called when the machine has slept
}

func (r *recorder) call(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	r.calls = append(r.calls, call)
	if r.fails != "" && strings.HasPrefix(call, r.fails) {
		return errors.New("injected")
	}
	return nil
}

func (r *recorder) Start(_ context.Context, o Start) error {
	r.now = time.Second
	return r.call("start %+v", o)
}

func (r *recorder) Ready(_ context.Context, limit time.Duration) error {
	return r.call("ready %s", limit)
}

// Run gives the output of the longest prepared beginning of the script.
func (r *recorder) Run(_ context.Context, script string, _ time.Duration) (Output, error) {
	best := ""
	for prefix := range r.outputs {
		if strings.HasPrefix(script, prefix) && len(prefix) > len(best) {
			best = prefix
		}
	}
	return r.outputs[best], r.call("run %s", script)
}

func (r *recorder) Inspect(context.Context) (*State, error) { return r.state, r.call("inspect") }

func (r *recorder) Dial(_ context.Context, port int) (net.Conn, error) {
	serve := r.serve[port]
	if serve == nil {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		serve(server)
	}()
	return client, nil
}

func (r *recorder) Console() string        { return r.console }
func (r *recorder) Elapsed() time.Duration { return r.now }

func (r *recorder) Sleep(_ context.Context, d time.Duration) error {
	r.now += d
	time.Sleep(time.Millisecond) // servers run meanwhile
	if r.asleep != nil {
		r.asleep(r)
	}
	return r.call("sleep %s", d)
}

func (r *recorder) Ended(_ context.Context, limit time.Duration) (string, error) {
	r.now = 0
	return r.ends, r.call("ended %s", limit)
}

func (r *recorder) PowerOff(_ context.Context, limit time.Duration) error {
	r.now = 0
	return r.call("power off %s", limit)
}

func (r *recorder) Cut(_ context.Context, lost bool, seed int) error {
	r.now = 0
	return r.call("cut %t %d", lost, seed)
}

func (r *recorder) Plug(_ context.Context, s *Stick) error      { return r.call("plug %+v", *s) }
func (r *recorder) Unplug(_ context.Context, name string) error { return r.call("unplug %s", name) }
func (r *recorder) Card() Card                                  { return r }
func (r *recorder) Describe() string                            { return "the details" }
func (r *recorder) Close(keep bool) error                       { return r.call("close %t", keep) }
func (r *recorder) Delete(path string) error                    { return r.call("delete %s", path) }
func (r *recorder) Debugfs(commands []string) error             { return r.call("debugfs %q", commands) }
func (r *recorder) Size(int) (int64, error)                     { return 100 * blockSize, r.call("size") }
func (r *recorder) Check(repair bool) error                     { return r.call("check %t", repair) }
func (r *recorder) Write(path string, c []byte, m uint32) error {
	return r.call("write %s %q %o", path, c, m)
}
func (r *recorder) Overwrite(partition int, offset int64, data []byte) error {
	return r.call("overwrite %d %d %d", partition, offset, len(data))
}

// respond is a server that sends a text when it has received a request, if it waits for one.
func respond(request bool, text string) func(net.Conn) {
	return func(conn net.Conn) {
		if request {
			_, _ = conn.Read(make([]byte, 4096))
		}
		_, _ = conn.Write([]byte(text))
	}
}

// healthy is a machine in which every expectation of the tests holds.
func healthy() *recorder {
	return &recorder{
		now: time.Minute,
		state: &State{
			Defects: []string{"unit a.service failed"},
			Report: &report.Boot{
				Choice: report.Choice{Stage: 2, Attempt: 1, Reason: "stage 2 is next"}, Degraded: true, Problems: []string{"no stage 3"},
				Root:  report.Root{Grown: &report.Growth{}},
				Steps: []report.Step{{Name: "verify", State: report.Done}},
			},
			Phases: map[string]float64{"handoff": 5, "agent": 10, "started": 60},
		},
		console: "pkinit: verify: done\n",
		ends:    "reboot",
		outputs: map[string]Output{
			"systemctl show": {Text: "LoadState=loaded\nActiveState=active\nSubState=running\nResult=success\nUnitFileState=enabled\n" +
				"FragmentPath=/usr/lib/systemd/system/a.service\nNeedDaemonReload=no"},
			"systemctl list-units": {Text: "b.service loaded failed failed B\na.mount loaded failed failed A"},
			"cat /proc/self/mountinfo": {Text: "29 1 0:2 / / rw,relatime - ext4 /dev/vda2 rw\n" +
				"30 29 0:3 / /usr ro,nodev - overlay pkinit:/usr rw,lowerdir=/stage:/sysroot/usr,upperdir=/up,workdir=/work\n" +
				"31 29 0:2 /var/stages/1 /run/stage ro - ext4 /dev/vda2 rw"},
			"stat":                               {Text: "regular file|644|root:root"},
			"stat -c '%F|%a|%U:%G' -- '/link'":   {Text: "symbolic link|777|root:root"},
			"stat -c '%F|%a|%U:%G' -- '/absent'": {Code: 1, Text: "stat: cannot statx '/absent'"},
			"readlink":                           {Text: "target"},
			"cat -- '/file'":                     {Text: "one\ntwo\n."},
			"cmp":                                {},
			"docker inspect":                     {Text: "running|healthy|example.org/main:1\nA=b\nSTAGE=2"},
			"docker inspect --type container --format '{{.State.Status}}|{{if .State.Health}}{{.State.Health.Status}}{{end}}|{{.Config.Image}}{{range .Config.Env}}\n{{.}}{{end}}' -- 'gone'": {
				Code: 1, Text: "Error: No such container: gone"},
			"journalctl": {Text: "systemd[1]: Started a.service\nkernel: all fine"},
			"echo hello": {Text: "hello"},
		},
		serve: map[int]func(net.Conn){
			22: respond(false, "SSH-2.0-OpenSSH_10\r\n"),
			80: respond(true, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome"),
			81: func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }, // stays open
		},
	}
}
