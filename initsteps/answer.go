package initsteps

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/PlanktoScope/pkbuild/stages"
	"github.com/PlanktoScope/pkbuild/stages/report"
	"github.com/PlanktoScope/pkbuild/stages/request"
)

// lastBoot is the file in overlays.StateDir with the report of the latest boot.
const lastBoot = "last-boot.json"

// Answer is the boot step that answers a request in pkinit.txt with pkinit-result.txt beside it: what was read, which
// stage this boot uses, and what the previous boot did.
type Answer struct{}

func (Answer) String() string { return "answer-request" }

// Done always returns false: Do itself finds out whether there is a request to answer.
func (Answer) Done(*Boot) (bool, error) { return false, nil }

// Do writes pkinit-result.txt on the boot partition, if pkinit.txt had a request, and saves the report of this boot for
// the answer of the next one.
func (Answer) Do(b *Boot) error {
	var err error
	if b.Report.Answer != nil {
		err = b.onBootPartition(false, func() error {
			text := strings.Join(b.result(), "\r\n") + "\r\n" // for computers of any kind
			return b.System.WriteFile(path.Join(bootDir, request.ResultFile), []byte(text), 0o644)
		})
	}
	if err != nil {
		return fmt.Errorf("answer %s: %w", request.TextFile, err)
	}
	if b.volatile() {
		return Skip("the file system is not writable")
	}
	data, err := json.Marshal(b.Report)
	if err != nil {
		return err
	}
	return b.WriteFile(b.stateFile(lastBoot), append(data, '\n'), 0o644)
}

// Undo does nothing: the answer that was written stays true.
func (Answer) Undo(*Boot) error { return nil }

// result returns the lines of the answer.
func (b *Boot) result() []string {
	lines := append([]string{}, b.Report.Answer...)
	if r := b.Report.Request; r != nil {
		for _, field := range [][2]string{{"stage", r.Stage}, {"overrides", r.Overrides}, {"reset", r.Reset}} {
			if field[1] != "" {
				lines = append(lines, fmt.Sprintf("requested: %s=%s", field[0], field[1]))
			}
		}
	}
	lines = append(lines, "", "THIS BOOT")
	lines = append(lines, summary(*b.Report)...)
	lines = append(lines, "", "THE BOOT BEFORE")
	var last report.Boot
	data, err := b.ReadFile(b.stateFile(lastBoot))
	if err == nil {
		err = json.Unmarshal(data, &last)
	}
	if err != nil {
		return append(lines, "Its report cannot be read: "+OneLine(err))
	}
	return append(lines, summary(last)...)
}

// summary describes a boot for people.
func summary(r report.Boot) []string {
	lines := []string{
		fmt.Sprintf("started with: %s (%s)", stages.Name(r.Choice.Stage), r.Choice.Reason),
		"changes of the user: " + cmp.Or(string(r.Choice.Overrides), string(report.AllOverrides)),
	}
	if !r.Degraded {
		return append(lines, "no problems")
	}
	for _, p := range r.Problems {
		lines = append(lines, "problem: "+p)
	}
	return lines
}
