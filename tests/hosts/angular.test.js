/* angular.test.js: an app of Angular. Its builder finds no worker in a package: angular.json tells
 * where the files are put, and `assets` where they are; without, the refusal says so. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openBrowser } from '../browser/setting.js';
import { GUARD, appWith, assertTrained, resultOfPage, runIn, served } from './setting.js';

const OPTIONS = {
  outputPath: 'dist',
  index: 'src/index.html',
  browser: 'src/main.ts',
  tsConfig: 'tsconfig.json',
  assets: [
    {
      glob: '*.{js,wasm}',
      input: 'node_modules/offstage/wasm-build/dist',
      output: 'offstage/wasm-build/dist',
    },
  ],
};
const json = (/** @type {object} */ value) => JSON.stringify(value, null, 2);

/** @type {import('playwright-core').Browser} */
let browser;
let result;
before(async () => {
  const folder = appWith(
    [
      '@angular/build',
      '@angular/cli',
      '@angular/common',
      '@angular/compiler',
      '@angular/compiler-cli',
      '@angular/core',
      '@angular/platform-browser',
      'rxjs',
      'tslib',
      'typescript',
    ],
    {
      'angular.json': json({
        version: 1,
        projects: {
          app: {
            projectType: 'application',
            root: '',
            sourceRoot: 'src',
            architect: { build: { builder: '@angular/build:application', options: OPTIONS } },
          },
        },
        cli: { analytics: false, cache: { enabled: false } },
      }),
      'tsconfig.json': json({
        compilerOptions: {
          strict: true,
          target: 'ES2022',
          module: 'ES2022',
          moduleResolution: 'bundler',
          lib: ['ES2022', 'dom'],
        },
        files: ['src/main.ts'],
      }),
      'src/index.html': `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>app</title>
<base href="/"><link rel="icon" href="data:,"></head><body><app-root></app-root></body></html>
`,
      'src/main.ts': `import { Component, provideZonelessChangeDetection } from '@angular/core';
import { bootstrapApplication } from '@angular/platform-browser';
import * as api from 'offstage';
// @ts-expect-error: it has no types
import { tryTrain } from '../job.js';

@Component({ selector: 'app-root', template: '<p>app</p>' })
class App {
  constructor() {
    (globalThis as any).result = (async () => ({
      told: await tryTrain(api, { assets: '/offstage/' }),
      untold: await tryTrain(api, { mode: 'worker' }),
    }))();
  }
}
bootstrapApplication(App, { providers: [provideZonelessChangeDetection()] });
`,
    },
  );
  const { stdout, stderr } = runIn(folder, [
    process.execPath,
    'node_modules/@angular/cli/bin/ng.js',
    'build',
  ]);
  assert.doesNotMatch(stdout + stderr, /warning|error/i);
  browser = await openBrowser();
  result = await resultOfPage(browser, {
    server: await served(`${folder}/dist/browser`),
    allowed: /404/, // of the worker that is not there
  });
}, GUARD);
after(() => browser?.close());

test('Angular: with assets', () => assertTrained(result.told, { storage: 'opfs' }));

test('Angular: without, the option is named', () =>
  assert.match(result.untold.error, /^WORKER_LOST: .*the option assets/));
