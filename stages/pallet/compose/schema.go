package compose

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiledSchema returns the JSON schema of compose files. compose-go compiles it anew for each file, which takes 20 ms.
var compiledSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	source, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.Schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.RegisterFormat(&jsonschema.Format{Name: "duration", Validate: validateDuration})
	if err := c.AddResource("compose-spec.json", source); err != nil {
		return nil, err
	}
	return c.Compile("compose-spec.json")
})

func validateDuration(value any) error {
	text, ok := value.(string)
	if !ok {
		return errors.New("duration is not a string")
	}
	_, err := time.ParseDuration(text)
	return err
}

// validate validates the content of a compose file against the schema.
func validate(content map[string]any) error {
	s, err := compiledSchema()
	if err != nil {
		return err
	}
	data, err := json.Marshal(content) // jsonschema accepts no values of derived types
	if err != nil {
		return err
	}
	var plain any
	if err := json.Unmarshal(data, &plain); err != nil {
		return err
	}
	return s.Validate(plain)
}
