# For a tap of your own: put it there as Formula/weir.rb, with the address of the
# repository you build from and the tag of the release.
class Weir < Formula
  desc "Keeps live-streaming accounts equal to what git declares"
  homepage "https://git.example.com/live/weir"
  url "https://git.example.com/live/weir.git", tag: "v0.1.0"
  license "Apache-2.0"
  head "https://git.example.com/live/weir.git", branch: "main"

  depends_on "go" => :build

  def install
    ENV["CGO_ENABLED"] = "0"
    system "go", "build", *std_go_args(ldflags: "-s"), "./cmd/weir"
    generate_completions_from_executable(bin/"weir", "completion")
    system bin/"weir", "man", buildpath/"man"
    man1.install Dir[buildpath/"man/*.1"]
    man5.install Dir[buildpath/"man/*.5"]
    (etc/"weir").install "deploy/package/weir.yaml" => "weir.yaml.example"
    pkgshare.install "examples"
  end

  def caveats
    <<~EOS
      Write #{etc}/weir/weir.yaml (an example is beside it), with
        state: {sqlite: {path: #{var}/weir/weir.db}}
      and keys in files that only you can read; then: brew services start weir
    EOS
  end

  service do
    run [opt_bin/"weir", "run", "--config", etc/"weir/weir.yaml", "--log-format", "json"]
    keep_alive crashed: true
    working_dir var/"weir"
    log_path var/"log/weir.log"
    error_log_path var/"log/weir.log"
  end

  test do
    assert_match "0 failed", shell_output("#{bin}/weir demo --once")
  end
end
