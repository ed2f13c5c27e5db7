package qemu

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// answer is what the probe wrote:
//
//	pkbuild-probe 1
//	section NAME EXITCODE
//	|a line of output
//	end
//
// with any number of sections, each with any number of lines.
type answer map[string]section

// section is the outcome of one command.
type section struct {
	code  int
	lines []string // its output, standard error included
}

func (s section) text() string { return strings.Join(s.lines, "\n") }

const (
	answerHead = "pkbuild-probe 1"
	answerEnd  = "end"
	maxAnswer  = 16 << 20 // bytes; a machine gone mad shall not fill the memory
)

// readAnswer reads until the end. What had come before an error is returned with it.
func readAnswer(r io.Reader) (answer, error) {
	a := answer{}
	lines := bufio.NewReader(io.LimitReader(r, maxAnswer))
	current := ""
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return a, fmt.Errorf("answer of the probe: line %d: %w", n, err)
		}
		line = strings.TrimSuffix(line, "\n")
		switch {
		case n == 1 && line == answerHead:
			continue
		case n > 1 && line == answerEnd:
			return a, nil
		}
		if current, err = a.add(current, line); n == 1 || err != nil {
			return a, fmt.Errorf("answer of the probe: line %d: %q is out of place", n, line)
		}
	}
}

var errLine = errors.New("neither a section nor a line of one")

// add takes a line below the section called current, and says what is current after it.
func (a answer) add(current, line string) (string, error) {
	if text, ok := strings.CutPrefix(line, "|"); ok && current != "" {
		s := a[current]
		s.lines = append(s.lines, text)
		a[current] = s
		return current, nil
	}
	words := strings.Split(line, " ")
	if len(words) != 3 || words[0] != "section" || words[1] == "" {
		return "", errLine
	}
	code, err := strconv.Atoi(words[2])
	if _, again := a[words[1]]; again || err != nil {
		return "", errLine
	}
	a[words[1]] = section{code: code}
	return words[1], nil
}
