// A small application: reads its flag over OFREP, obeys it, and reports what came of it. Usage: App ADDRESS USER
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.openfeature.contrib.providers.ofrep.OfrepProvider;
import dev.openfeature.contrib.providers.ofrep.OfrepProviderOptions;
import dev.openfeature.sdk.ImmutableContext;
import dev.openfeature.sdk.OpenFeatureAPI;
import dev.openfeature.sdk.Structure;
import dev.openfeature.sdk.Value;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

public class App {
    static final String FLAG = "case-law-ai";
    static final Feature BEFORE = new Feature(true, "v2.3", 0.7); // what it did without Sluice

    /** What the flag serves, all of it at once. */
    record Feature(boolean enabled, String model, double minConfidence) {
        static Feature of(Value served) {
            if (served == null || !served.isStructure()) {
                return BEFORE;
            }
            Structure parts = served.asStructure();
            return new Feature(
                    parts.getValue("enabled").asBoolean(),
                    parts.getValue("model").asString(),
                    parts.getValue("min_confidence").asDouble());
        }
    }

    record Suggestion(String title, double confidence) {}

    /** Stands for the model: cases with how sure it is of each. */
    static List<Suggestion> suggestions(String model) {
        return model.equals("v2.4")
                ? List.of(new Suggestion("Smith v. Jones", 0.93), new Suggestion("Doe v. Roe", 0.72))
                : List.of(new Suggestion("Smith v. Jones", 0.81));
    }

    /** What a user sees; the events that say so are added to `events`. */
    static String visit(Feature feature, List<String> events) {
        events.add("request");
        if (!feature.enabled()) {
            return "search as it was before";
        }
        List<String> sure = suggestions(feature.model()).stream()
                .filter(found -> found.confidence() >= feature.minConfidence())
                .map(Suggestion::title)
                .toList();
        if (sure.isEmpty()) {
            return feature.model() + ": nothing it is sure of";
        }
        events.add("shown");
        return feature.model() + ": " + String.join(", ", sure);
    }

    /** Tells Sluice what came of it. */
    static void report(String address, String name, Map<String, String> attributes, List<String> events)
            throws Exception {
        var told = events.stream()
                .map(event -> Map.of("flag", FLAG, "targetingKey", name, "event", event, "context", attributes))
                .toList();
        var request = HttpRequest.newBuilder(URI.create(address + "/v1/track"))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofByteArray(new ObjectMapper().writeValueAsBytes(told)))
                .build();
        var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 202) {
            throw new IllegalStateException("/v1/track: " + answer.statusCode() + " " + answer.body());
        }
    }

    public static void main(String[] args) throws Exception {
        String address = args[0], name = args[1];
        // what the plan's unit, allow and block look at
        var attributes = Map.of("email", name + "@mail.test", "tier", "standard");
        var user = new ImmutableContext(
                name, Map.of("email", new Value(attributes.get("email")), "tier", new Value(attributes.get("tier"))));
        var flags = OpenFeatureAPI.getInstance();
        var options = OfrepProviderOptions.builder().baseUrl(address).build();
        flags.setProviderAndWait(OfrepProvider.constructProvider(options));
        try {
            var events = new ArrayList<String>();
            System.out.println(visit(Feature.of(flags.getClient().getObjectValue(FLAG, new Value(), user)), events));
            report(address, name, attributes, events);
        } finally {
            flags.shutdown(); // the provider has threads of its own
        }
    }
}
