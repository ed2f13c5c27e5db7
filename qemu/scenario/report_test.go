package scenario

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/PlanktoScope/pkbuild/internal/yamldoc"
)

func results() []*Result {
	return []*Result{
		{Name: "good", Title: "all is well | fine", Machine: "virt", Steps: 3, Of: 3, Time: 90 * time.Second},
		{
			Name: "bad", Title: "a failure", Machine: "raspi3b", Steps: 1, Of: 3, Time: 5 * time.Second, Details: "command: <qemu>",
			Failures: []Failure{{yamldoc.Place{File: "bad.yml", Line: 2, Column: 3, Path: "x"}, `state is "a"`}}, Err: errors.New("broken"),
		},
	}
}

func TestWriteTable(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteTable(&out, results()))
	require.Equal(t, "SCENARIO  RESULT  STEPS  TIME   TITLE\n"+
		"good      passed  3/3    1m30s  all is well | fine\n"+
		"bad       failed  1/3    5s     a failure\n\n"+
		"bad failed:\nbad.yml:2:3: x: state is \"a\"\nbroken\ncommand: <qemu>\n", out.String())
}

func TestWritePage(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WritePage(&out, "pi.img", results()))
	require.Contains(t, out.String(), "Image: pi.img. 1 of 2 scenarios passed.\n")
	require.Contains(t, out.String(), "| good | all is well \\| fine | virt | passed | 3/3 | 1m30s |\n")
	require.Contains(t, out.String(), "\n## bad\n\n```\nbad.yml:2:3: x: state is \"a\"\nbroken\ncommand: <qemu>\n```\n")
}

func TestWriteJUnit(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, WriteJUnit(&out, "pi.img", results()))
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Time    string `xml:"time,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
			Output string `xml:"system-out"`
		} `xml:"testcase"`
	}
	require.NoError(t, xml.Unmarshal(out.Bytes(), &suite))
	require.Equal(t, [2]int{2, 1}, [2]int{suite.Tests, suite.Failures})
	require.Nil(t, suite.Cases[0].Failure)
	require.Equal(t, "90.0", suite.Cases[0].Time)
	require.Equal(t, `bad.yml:2:3: x: state is "a"`, suite.Cases[1].Failure.Message)
	require.Equal(t, "command: <qemu>", suite.Cases[1].Output)
}

func TestResultJSON(t *testing.T) {
	src, err := json.Marshal(results())
	require.NoError(t, err)
	require.Contains(t, string(src), `"failures":[]`)
	require.Contains(t, string(src), `"error":"broken"`)
}
