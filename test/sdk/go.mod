module github.com/notifier/notifier/test/sdk

go 1.26.0
