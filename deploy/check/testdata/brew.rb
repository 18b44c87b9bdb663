# What Homebrew does with a formula, as far as weir's asks for it: installs into a
# folder, then runs the formula's own test. It prints what the service would run.
#
#   ruby brew.rb FORMULA REPOSITORY FOLDER
require "fileutils"
require "open3"
require "pathname"

formula, REPOSITORY, PREFIX = ARGV[0], Pathname(ARGV[1]).realpath, Pathname(ARGV[2])

# A folder that files are installed into, under their own names or others.
class Pathname
  def install(*files)
    mkpath
    files.flatten.each do |file|
      (file.is_a?(Hash) ? file : { file => File.basename(file) }).each { |from, to| FileUtils.cp_r(from, self / to) }
    end
  end
end

# The words of a service block; each is one Homebrew knows.
class Service
  WORDS = %i[run keep_alive working_dir log_path error_log_path].freeze
  attr_reader :said

  def initialize(formula)
    @formula = formula
    @said = {}
  end
  WORDS.each { |word| define_method(word) { |value| @said[word] = value } }
  %i[opt_bin etc var].each { |folder| define_method(folder) { @formula.public_send(folder) } }
end

class Formula
  class << self
    attr_reader :said, :service_block, :test_block

    %i[desc homepage url license head depends_on].each do |word|
      define_method(word) { |*value| (@said ||= {})[word] = value }
    end

    def service(&block) = @service_block = block
    def test(&block) = @test_block = block
  end

  { bin: "bin", opt_bin: "bin", etc: "etc", var: "var", man1: "share/man/man1", man5: "share/man/man5",
    pkgshare: "share/weir", buildpath: "build" }.each { |name, path| define_method(name) { PREFIX / path } }

  def std_go_args(ldflags:) = ["-trimpath", "-o=#{bin}/weir", "-ldflags=#{ldflags}"]

  def system(*command)
    Kernel.system(*command.map(&:to_s), exception: true)
  end

  def generate_completions_from_executable(*command)
    %w[bash zsh fish].each do |shell|
      (PREFIX / "completions").mkpath
      (PREFIX / "completions" / shell).write(shell_output([*command, shell].join(" ")))
    end
  end

  def shell_output(command)
    out, status = Open3.capture2(command)
    raise "#{command}: #{status}" unless status.success?

    out
  end

  def assert_match(want, got)
    raise "no #{want} in #{got}" unless got.include?(want)
  end
end

load formula
weir = Weir.new
Dir.chdir(REPOSITORY) { weir.install }
service = Service.new(weir)
service.instance_eval(&Weir.service_block)
puts service.said[:run].join(" ")
weir.instance_eval(&Weir.test_block)
puts weir.caveats
