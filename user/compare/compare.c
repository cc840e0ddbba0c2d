/* SPDX-License-Identifier: Apache-2.0 */
#include "compare/compare.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "compare/judge.h"
#include "compare/match.h"
#include "compare/name.h"
#include "compare/report.h"
#include "exit_code.h"

static int read_side(const struct config *config, int side, struct recording *ret_recording)
{
	const char *path = config->files[side];
	int err = recording_read(path, config->excludes, config->excludes_len, ret_recording);

	if (err == -ENODATA)
		log_error("%s: there is no span in it; what is read are OTLP JSON "
			  "(ExportTraceServiceRequest) and the "
			  "lines of --log and --output json",
			  path);
	else if (err)
		log_error("cannot read %s: %s", path, strerror(-err));
	return err;
}

static int read_and_judge(const struct config *config, struct judgement *ret_judgement)
{
	struct recording ours, theirs;
	int err = read_side(config, 0, &ours);

	if (err)
		return err;
	err = read_side(config, 1, &theirs);
	if (err) {
		recording_free(&ours);
		return err;
	}
	err = match(&ours, &theirs);
	if (err) {
		recording_free(&ours);
		recording_free(&theirs);
		return err;
	}
	err = judge(&ours, &theirs, ret_judgement);
	if (err)
		judgement_free(ret_judgement);
	return err;
}

static int write_page(const struct judgement *judgement, const char *path)
{
	FILE *out = fopen(path, "we");
	int err;

	if (!out) {
		log_error("cannot write %s: %s", path, strerror(errno));
		return -EIO;
	}
	report_html(judgement, out);
	err = ferror(out) ? -EIO : 0;
	if (fclose(out) || err) {
		log_error("cannot write %s: %s", path, strerror(errno));
		return -EIO;
	}
	return 0;
}

static bool different(const struct config *config, const struct judgement *judgement)
{
	const struct tally *t = &judgement->all;

	return percent(t->matched, tally_most(t)) < config->matched_percent ||
	       percent(t->parents.agree + t->parents.unknown_theirs, t->matched) < config->parents_percent ||
	       t->parents.disagree;
}

static int report(const struct config *config, const struct judgement *judgement)
{
	int err = 0;

	if (config->output == OUTPUT_JSON)
		err = report_json(judgement, stdout);
	else
		report_text(judgement, stdout);
	if (!err && config->html_path)
		err = write_page(judgement, config->html_path);
	if (fflush(stdout) || ferror(stdout))
		err = -EIO;
	return err ? EXIT_FAILED : different(config, judgement) ? EXIT_DIFFERENT : EXIT_OK;
}

int compare(const struct config *config)
{
	struct judgement judgement;
	int err = read_and_judge(config, &judgement), code;

	if (err) {
		code = err == -ENODATA ? EXIT_USAGE : EXIT_FAILED;
	} else {
		code = report(config, &judgement);
		judgement_free(&judgement);
	}
	names_free();
	return code;
}
