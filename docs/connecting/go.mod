module example.com/app

go 1.25.0

require (
	github.com/open-feature/go-sdk v1.17.2
	github.com/open-feature/go-sdk-contrib/providers/ofrep v0.1.7
)
