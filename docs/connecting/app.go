// A small application: reads its flag over OFREP, obeys it, and reports what came of it. Usage: app ADDRESS USER
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"
)

const flag = "case-law-ai"

// feature is what the flag serves, all of it at once.
type feature struct {
	Enabled       bool    `json:"enabled"`
	Model         string  `json:"model"`
	MinConfidence float64 `json:"min_confidence"`
}

var before = feature{Enabled: true, Model: "v2.3", MinConfidence: 0.7} // what it did without Sluice

type suggestion struct {
	title      string
	confidence float64
}

// suggestions stands for the model: cases with how sure it is of each.
func suggestions(model string) []suggestion {
	if model == "v2.4" {
		return []suggestion{{"Smith v. Jones", 0.93}, {"Doe v. Roe", 0.72}}
	}
	return []suggestion{{"Smith v. Jones", 0.81}}
}

// read gives what the flag serves to a user, and what was before where Sluice cannot be reached.
func read(ctx context.Context, user openfeature.EvaluationContext) feature {
	served, err := openfeature.NewDefaultClient().ObjectValue(ctx, flag, nil, user)
	if err != nil {
		log.Print(err)
		return before
	}
	found := before
	if text, err := json.Marshal(served); err != nil || json.Unmarshal(text, &found) != nil {
		return before
	}
	return found
}

// visit is what one user sees, and the events that say so.
func visit(use feature) (string, []string) {
	if !use.Enabled {
		return "search as it was before", []string{"request"}
	}
	var sure []string
	for _, found := range suggestions(use.Model) {
		if found.confidence >= use.MinConfidence {
			sure = append(sure, found.title)
		}
	}
	if len(sure) == 0 {
		return use.Model + ": nothing it is sure of", []string{"request"}
	}
	return use.Model + ": " + strings.Join(sure, ", "), []string{"request", "shown"}
}

// report tells Sluice what came of it.
func report(address, name string, events []string, attributes map[string]any) error {
	var told []map[string]any
	for _, event := range events {
		told = append(told, map[string]any{"flag": flag, "targetingKey": name, "event": event, "context": attributes})
	}
	body, err := json.Marshal(told)
	if err != nil {
		return err
	}
	answer, err := http.Post(address+"/v1/track", "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		return fmt.Errorf("/v1/track: %s", answer.Status)
	}
	return nil
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: app ADDRESS USER")
	}
	address, name := os.Args[1], os.Args[2]
	if err := openfeature.SetProviderAndWait(ofrep.NewProvider(address)); err != nil {
		log.Fatal(err)
	}
	defer openfeature.Shutdown()
	attributes := map[string]any{"email": name + "@mail.test", "tier": "standard"} // what unit, allow and block look at
	shown, events := visit(read(context.Background(), openfeature.NewEvaluationContext(name, attributes)))
	fmt.Println(shown)
	if err := report(address, name, events, attributes); err != nil {
		log.Fatal(err)
	}
}
