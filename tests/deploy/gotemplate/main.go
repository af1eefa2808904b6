// SPDX-License-Identifier: Apache-2.0

// Renders a chart as Helm does: Go's templates with Sprig and Helm's own functions. Helm
// itself cannot be had where this is built; what it is made of can (Debian's golang and
// golang-github-masterminds-sprig-dev). It takes a JSON document on standard input:
//
//	{"chart": {...}, "values": {...}, "release": {...}, "apis": [...],
//	 "templates": {"name": "text"}}
//
// and prints each template's text behind a line "# Source: assay/templates/NAME".
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"sigs.k8s.io/yaml"
)

type apis []string

// Has is .Capabilities.APIVersions.Has
func (a apis) Has(name string) bool {
	for _, x := range a {
		if x == name {
			return true
		}
	}
	return false
}

type input struct {
	Chart     map[string]interface{}
	Values    map[string]interface{}
	Release   map[string]interface{}
	Apis      apis
	Templates map[string]string
}

func toYaml(v interface{}) string {
	out, err := yaml.Marshal(v)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(out), "\n")
}

func fromYaml(text string) map[string]interface{} {
	out := map[string]interface{}{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		out["Error"] = err.Error()
	}
	return out
}

func required(why string, v interface{}) (interface{}, error) {
	if v == nil || v == "" {
		return v, fmt.Errorf("%s", why)
	}
	return v, nil
}

func functions(t *template.Template) template.FuncMap {
	f := sprig.TxtFuncMap()
	delete(f, "env") // Helm has neither
	delete(f, "expandenv")
	f["toYaml"] = toYaml
	f["fromYaml"] = fromYaml
	f["required"] = required
	f["lookup"] = func(...string) map[string]interface{} { return nil }
	f["include"] = func(name string, data interface{}) (string, error) {
		var out bytes.Buffer
		err := t.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	f["tpl"] = func(text string, data interface{}) (string, error) {
		c, err := t.Clone()
		if err != nil {
			return "", err
		}
		if _, err = c.New("tpl").Parse(text); err != nil {
			return "", err
		}
		var out bytes.Buffer
		err = c.ExecuteTemplate(&out, "tpl", data)
		return out.String(), err
	}
	return f
}

func render(in *input, out *bytes.Buffer) error {
	t := template.New("chart").Option("missingkey=zero")
	t.Funcs(functions(t))
	names := []string{}
	for name, text := range in.Templates {
		if _, err := t.New(name).Parse(text); err != nil {
			return err
		}
		if !strings.HasPrefix(name, "_") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	data := map[string]interface{}{
		"Values": in.Values, "Chart": in.Chart, "Release": in.Release,
		"Capabilities": map[string]interface{}{"APIVersions": in.Apis},
		"Template":     map[string]interface{}{"BasePath": "assay/templates"},
	}
	for _, name := range names {
		fmt.Fprintf(out, "---\n# Source: assay/templates/%s\n", name)
		if err := t.ExecuteTemplate(out, name, data); err != nil {
			return err
		}
		out.WriteString("\n")
	}
	return nil
}

func main() {
	var in input
	var out bytes.Buffer
	err := json.NewDecoder(os.Stdin).Decode(&in)
	if err == nil {
		err = render(&in, &out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// Helm prints what is missing so, and then takes it out.
	os.Stdout.WriteString(strings.ReplaceAll(out.String(), "<no value>", ""))
}
