package initramfs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"time"

	"github.com/PlanktoScope/pkbuild/stages/report"
)

// checker is the program that checks ext4. Images have it in the initramfs: that of a faulty root may be damaged.
const checker = "/sbin/e2fsck"

// checkLimit is how long a check may take.
const checkLimit = 30 * time.Minute

// Exit codes of e2fsck; their sum is returned if several apply. See e2fsck(8).
const (
	checkCorrected = 1
	checkReboot    = 2
)

// check repairs a file system that is due for a check and not mounted, as far as that is safe, and calls alive every second
// meanwhile. A problem is an error that was there or still is.
func check(program, device string, s superblock, alive func()) (c *report.Check, problem error) {
	reason := s.due()
	c = &report.Check{Reason: reason}
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, program, "-p", "-f", device)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := runAlive(cmd, alive)
	c.Seconds = time.Since(start).Round(time.Millisecond).Seconds()
	var exit *exec.ExitError
	switch {
	case err == nil:
		c.Result = "no errors"
		if s.faulty || s.errors > 0 {
			problem = fmt.Errorf("root file system %s has met errors (%s), and e2fsck finds none", device, reason)
		}
		return c, problem
	case errors.Is(err, fs.ErrNotExist):
		c.Result = "not checked"
		return c, fmt.Errorf("root file system %s should be checked (%s), and the initramfs has no %s", device, reason, program)
	case errors.As(err, &exit) && exit.ExitCode()&^(checkCorrected|checkReboot) == 0:
		c.Result = "errors corrected"
		return c, fmt.Errorf("root file system %s had errors (%s), which e2fsck has corrected%s", device, reason, findings(out.String()))
	}
	c.Result = "errors left"
	return c, fmt.Errorf("root file system %s has errors (%s) that e2fsck -p cannot correct (%w)%s; run e2fsck -y on another computer",
		device, reason, err, findings(out.String()))
}

// runAlive runs a command and calls alive every second.
func runAlive(cmd *exec.Cmd, alive func()) error {
	done := make(chan error, 1)
	go func() { done <- cmd.Run() }()
	for {
		select {
		case err := <-done:
			return err
		case <-time.After(time.Second):
			alive()
		}
	}
}

// maxFindings is the number of lines that findings returns.
const maxFindings = 3

// findings returns the last lines of the output of e2fsck in one line after a colon, without its summary; "" if there are
// none.
func findings(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, "% non-contiguous)") {
			lines = append(lines, line)
		}
	}
	if lines == nil {
		return ""
	}
	return ": " + strings.Join(lines[max(0, len(lines)-maxFindings):], "; ")
}
